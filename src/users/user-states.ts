import { Injectable } from '@nestjs/common';
import type { Queryable, Transaction } from '../database/database.js';
import { SessionFeed } from '../feed/session-feed.js';
import type { UserId } from '../principal/principal.js';

/** What an administrator may change about an account. */
export interface UserState {
  readonly id: UserId;
  readonly email: string;
  readonly roles: readonly string[];
  readonly disabled: boolean;
}

/**
 * Changes whether and as what somebody may come in. Everything is done on the locked row, which a sign-in locks as well: after the
 * commit there is no session of the old state. Known to this node with the commit, to all others within a second.
 */
@Injectable()
export class UserStates {
  constructor(private readonly feed: SessionFeed) {}

  /** Locks an account until the transaction ends. @returns null when there is none of that id. */
  async lock(tx: Transaction, id: UserId): Promise<UserState | null> {
    const [row] = await tx.query<UserState>(
      'SELECT id, email, roles, disabled_at IS NOT NULL AS disabled FROM users WHERE id = $1 FOR UPDATE',
      [id],
    );
    return row ?? null;
  }

  /** Locks all who have the role `admin` and are not disabled, in one order, so that two of them cannot end each other. */
  async lockAdmins(tx: Transaction): Promise<UserId[]> {
    const rows = await tx.query<{ id: UserId }>(
      `SELECT id FROM users WHERE disabled_at IS NULL AND 'admin' = ANY (roles) ORDER BY id FOR UPDATE`,
    );
    return rows.map(({ id }) => id);
  }

  /** Forbids or allows the account to sign in. Its sessions are the business of whoever calls. */
  async setDisabled(tx: Transaction, id: UserId, disabled: boolean): Promise<void> {
    await this.change(tx, id, 'UPDATE users SET disabled_at = CASE WHEN $2 THEN now() END WHERE id = $1', [
      disabled,
    ]);
  }

  /** Replaces the roles. */
  async setRoles(tx: Transaction, id: UserId, roles: readonly string[]): Promise<void> {
    await this.change(tx, id, 'UPDATE users SET roles = $2, updated_at = now() WHERE id = $1', [roles]);
  }

  /** Replaces the password hash, whatever it was. */
  async setPasswordHash(tx: Transaction, id: UserId, hash: string): Promise<void> {
    await this.change(tx, id, 'UPDATE users SET password_hash = $2 WHERE id = $1', [hash]);
  }

  /** Deletes the account, with its sessions and their credentials. */
  async remove(tx: Transaction, id: UserId): Promise<void> {
    await this.change(tx, id, 'DELETE FROM users WHERE id = $1', []);
  }

  private async change(tx: Queryable, id: UserId, sql: string, values: readonly unknown[]): Promise<void> {
    await tx.query(sql, [id, ...values]);
    tx.afterCommit(() => this.feed.noteOwn({ sessionId: null, userId: id }));
  }
}
