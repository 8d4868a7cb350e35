import { z } from 'zod';
import { nameField } from './display-name.js';

/** A user as the outside sees one (contract section 4); never anything else about a user. */
export const UserOut = z
  .object({
    id: z.uuid(),
    email: z.string(),
    name: z.string().nullable(),
    roles: z.array(z.string()),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'User' });

/** The body of `PATCH /auth/me`; null clears the name. */
export const ProfileIn = z.strictObject({ name: nameField.nullable() }).meta({ id: 'ProfileIn' });
export type ProfileIn = z.infer<typeof ProfileIn>;
