import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../database/database.js';
import type { UserView } from '../principal/authentication.js';
import type { UserId } from '../principal/principal.js';
import { SESSION_IS_LIVE } from '../sessions/session-record.js';

/** A user as administrators see one. */
export interface AdministeredUser extends UserView {
  /** Null while the account may sign in. */
  readonly disabledAt: Date | null;
  /** Up to a minute behind; null when no session is on record. */
  readonly lastSeenAt: Date | null;
  /** Live ones. */
  readonly sessions: number;
}

/** What to look for. */
export interface UserQuery {
  /** The beginning of an email or a name, in any case, or an id. */
  readonly query?: string | undefined;
  /** Rows at most. */
  readonly limit: number;
  /** Where the page before ended: users older than this one. */
  readonly after?: UserId | undefined;
}

const COLUMNS = `u.id, u.email, u.name, u.roles, u.created_at AS "createdAt", u.updated_at AS "updatedAt",
  u.disabled_at AS "disabledAt", s.last_seen_at AS "lastSeenAt", s.live AS sessions`;
const WITH_SESSIONS = `LEFT JOIN LATERAL (
  SELECT max(s.last_seen_at) AS last_seen_at, (count(*) FILTER (WHERE ${SESSION_IS_LIVE}))::int AS live
  FROM sessions s WHERE s.user_id = u.id) s ON true`;

/** Finds users, the newest first. Ids are in the order of creation, so that pages need no other key. */
@Injectable()
export class UserSearch {
  constructor(private readonly database: Database) {}

  /** @returns one page of users. */
  async find({ query, limit, after }: UserQuery): Promise<AdministeredUser[]> {
    const { condition, parameter } = conditionOf(query);
    return this.database.query<AdministeredUser>(pageSql(condition), [limit, after ?? null, parameter]);
  }

  /** The user of that id, or null. */
  async findById(id: UserId): Promise<AdministeredUser | null> {
    const [user] = await this.database.query<AdministeredUser>(
      `SELECT ${COLUMNS} FROM users u ${WITH_SESSIONS} WHERE u.id = $1`,
      [id],
    );
    return user ?? null;
  }
}

/** Only the rows of the page are joined with their sessions. `$1` rows, below `$2`, `$3` what the condition asks for. */
export function pageSql(condition: string): string {
  return `SELECT ${COLUMNS} FROM (
      SELECT * FROM users WHERE ($2::uuid IS NULL OR id < $2::uuid) AND ${condition} ORDER BY id DESC LIMIT $1) u
    ${WITH_SESSIONS} ORDER BY u.id DESC`;
}

/** The condition of a search; both halves of the second are indexed by prefix. */
export function conditionOf(query = ''): { condition: string; parameter: string | null } {
  const text = query.trim();
  if (text === '') return { condition: '$3::text IS NULL', parameter: null };
  if (z.uuid().safeParse(text).success) return { condition: 'id = $3::uuid', parameter: text };
  const prefix = `${text.replaceAll(/[\\%_]/g, '\\$&')}%`;
  return { condition: '(email LIKE lower($3) OR lower(name) LIKE lower($3))', parameter: prefix };
}
