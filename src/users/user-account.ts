import type { UserView } from '../principal/authentication.js';
import type { UserId } from '../principal/principal.js';

/** A user as sign-in needs it. Never leaves the service layer: the hash is in here. */
export interface UserAccount extends UserView {
  readonly passwordHash: string;
  readonly disabled: boolean;
}

/** A row of {@link USER_COLUMNS}. */
export interface UserRow {
  id: UserId;
  email: string;
  name: string | null;
  roles: string[];
  created_at: Date;
  updated_at: Date;
  password_hash: string;
  disabled_at: Date | null;
}

/** The columns of a user in a statement on `users` (u). */
export const USER_COLUMNS =
  'u.id, u.email, u.name, u.roles, u.created_at, u.updated_at, u.password_hash, u.disabled_at';

/** The user of a row. */
export function userAccount(row: UserRow): UserAccount {
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    roles: row.roles,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    passwordHash: row.password_hash,
    disabled: row.disabled_at !== null,
  };
}
