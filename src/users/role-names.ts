import { z } from 'zod';

/** The role that everybody has. */
const EVERYBODY = 'user';
const MAX_ROLES = 16;

/** The name of a role: it is part of access tokens and of headers that gateways pass on. */
const roleName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,31}$/, 'must begin with a letter and have at most 32 of a-z, 0-9, _ and -');

/** The roles of a user, all of them: without repetition, `user` always among them and first. At most 16. */
export const rolesField = z
  .array(roleName)
  .max(MAX_ROLES)
  .transform((names) => [...new Set([EVERYBODY, ...names])])
  .refine(
    (names) => names.length <= MAX_ROLES,
    `must be at most ${MAX_ROLES} roles, "${EVERYBODY}" included`,
  );

/** Whether two lists name the same roles, in whatever order. Neither may name one twice. */
export function sameRoles(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((role) => b.includes(role));
}
