import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Database, type Queryable, type Statement } from '../database/database.js';
import { isUniqueViolation } from '../database/database-errors.js';
import { SessionFeed } from '../feed/session-feed.js';
import { Problem } from '../http/problem.js';
import type { UserId } from '../principal/principal.js';
import { USER_COLUMNS, type UserAccount, type UserRow, userAccount } from './user-account.js';

/** The users. Emails come in and go out in their canonical form (canonical-email.ts). */
@Injectable()
export class UsersService {
  constructor(
    private readonly database: Database,
    private readonly feed: SessionFeed,
  ) {}

  /** The user with that canonical email, or null. */
  async findByEmail(email: string): Promise<UserAccount | null> {
    return this.findOne('u.email = $1', email);
  }

  /** The user of that id, or null. */
  async findById(id: UserId): Promise<UserAccount | null> {
    return this.findOne('u.id = $1', id);
  }

  /** Creates a user, by default with the role `user` alone. @throws Problem `email_taken` when the canonical email has an account. */
  async create(
    tx: Queryable,
    user: { email: string; name: string | null; passwordHash: string; roles?: readonly string[] },
  ): Promise<UserAccount> {
    try {
      const [row] = await tx.query<UserRow>(
        `INSERT INTO users AS u (id, email, name, password_hash, roles) VALUES ($1, $2, $3, $4, $5) RETURNING ${USER_COLUMNS}`,
        [uuidv7(), user.email, user.name, user.passwordHash, user.roles ?? ['user']],
      );
      if (!row) throw new Error('a user was inserted and not returned');
      return userAccount(row);
    } catch (error) {
      if (isUniqueViolation(error, 'users_email_key')) throw new Problem('email_taken');
      throw error;
    }
  }

  /** Changes the display name; null clears it. @returns null when the user is gone. */
  async rename(id: UserId, name: string | null): Promise<UserAccount | null> {
    const [row] = await this.database.query<UserRow>(
      `UPDATE users u SET name = $2, updated_at = now() WHERE u.id = $1 RETURNING ${USER_COLUMNS}`,
      [id, name],
    );
    if (!row) return null;
    this.feed.noteOwn({ sessionId: null, userId: id });
    return userAccount(row);
  }

  /**
   * Opens a transaction with a lock on the row of a user who has just proven to know the password. Disabling, deleting and a
   * password change lock the same row first, so none of them can slip between proof and sign-in. Its one row is there if the user
   * still is, enabled, and has the password that was verified.
   */
  lockingVerified(id: UserId, verifiedHash: string): Statement {
    return {
      sql: 'SELECT id FROM users WHERE id = $1 AND disabled_at IS NULL AND password_hash = $2 FOR UPDATE',
      parameters: [id, verifiedHash],
      prepare: true,
    };
  }

  /** Replaces the password hash if it is still the one that was verified. @returns whether it was. */
  async replacePasswordHash(
    on: Queryable,
    id: UserId,
    verifiedHash: string,
    newHash: string,
  ): Promise<boolean> {
    const rows = await on.query(
      'UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL RETURNING id',
      [id, verifiedHash, newHash],
    );
    return rows.length === 1;
  }

  private async findOne(condition: string, value: string): Promise<UserAccount | null> {
    const sql = `SELECT ${USER_COLUMNS} FROM users u WHERE ${condition}`;
    const [row] = await this.database.query<UserRow>(sql, [value], { prepare: true });
    return row ? userAccount(row) : null;
  }
}
