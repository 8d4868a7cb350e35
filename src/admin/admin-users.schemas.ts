import { z } from 'zod';
import type { UserId } from '../principal/principal.js';
import { rolesField } from '../users/role-names.js';
import { UserOut } from '../users/user.schemas.js';

const MAX_PAGE = 100;
const DEFAULT_PAGE = 50;
/** As long as the longest email. */
const MAX_QUERY = 254;

const cursorField = z.string().transform((text, context) => {
  const hex = Buffer.from(text, 'base64url').toString('hex');
  const id = z.uuid().safeParse(hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));
  if (id.success) return id.data as UserId;
  context.addIssue({ code: 'custom', message: 'must be what "next" said' });
  return z.NEVER;
});

/** What follows the page that ends with this user: opaque to clients. */
export function cursorAfter(id: UserId): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
}

/** The query of `GET /admin/users`. Without an id: OpenAPI shows its fields as parameters. */
export const UsersQuery = z.strictObject({
  query: z.string().max(MAX_QUERY).optional(),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, `must be 1 to ${MAX_PAGE}`)
    .transform(Number)
    .refine((limit) => limit <= MAX_PAGE, `must be 1 to ${MAX_PAGE}`)
    .default(DEFAULT_PAGE),
  cursor: cursorField.optional(),
});
export type UsersQuery = z.infer<typeof UsersQuery>;

/** The body of `PUT /admin/users/:id/roles`: all roles that the user is to have. */
export const RolesIn = z.strictObject({ roles: rolesField }).meta({ id: 'RolesIn' });
export type RolesIn = z.infer<typeof RolesIn>;

/** A user as administrators see one. */
export const AdministeredUserOut = UserOut.extend({
  disabledAt: z.iso.datetime().nullable().describe('Null while the account may sign in'),
  lastSeenAt: z.iso.datetime().nullable().describe('Up to a minute behind'),
  sessions: z.int().describe('Live ones'),
}).meta({ id: 'AdministeredUser' });

/** A page of users, the newest first. */
export const UserPageOut = z
  .object({
    users: z.array(AdministeredUserOut),
    next: z.string().nullable().describe('The cursor of the next page; null when this is the last'),
  })
  .meta({ id: 'UserPage' });
