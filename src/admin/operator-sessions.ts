import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { Act } from '../events/act.js';
import type { SessionId, UserId } from '../principal/principal.js';
import { SESSION_IS_LIVE } from '../sessions/session-record.js';
import { type SessionListItem, SessionsService } from '../sessions/sessions.service.js';

const BATCH_ROWS = 100;

/** A live session and whose it is. */
export interface LiveSession extends SessionListItem {
  readonly userId: UserId;
  readonly email: string;
}

/** Which live sessions: those for which all that is given holds. */
export interface SessionSelection {
  readonly userId?: UserId;
  /** Started at that time or later. */
  readonly since?: Date;
}

const SELECTED = `${SESSION_IS_LIVE} AND ($1::uuid IS NULL OR s.user_id = $1) AND ($2::timestamptz IS NULL OR s.created_at >= $2)`;

/** The live sessions of everybody, for operators. */
@Injectable()
export class OperatorSessions {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsService,
  ) {}

  /** The newest first. @param limit at most so many */
  async list({ userId, since }: SessionSelection, limit: number): Promise<LiveSession[]> {
    return this.database.query<LiveSession>(
      `SELECT s.id, s.user_id AS "userId", u.email, s.created_at AS "createdAt", s.last_seen_at AS "lastSeenAt",
         s.expires_at AS "expiresAt", s.ip, s.user_agent AS "userAgent",
         ARRAY(SELECT c.strategy FROM credentials c WHERE c.session_id = s.id ORDER BY c.issued_at, c.strategy) AS strategies
       FROM sessions s JOIN users u ON u.id = s.user_id WHERE ${SELECTED} ORDER BY s.created_at DESC, s.id DESC LIMIT $3`,
      [userId ?? null, since ?? null, limit],
    );
  }

  /** Ends them, in batches that each have their record. Those that start meanwhile live on. @returns how many */
  async end({ userId, since }: SessionSelection, act: Act): Promise<number> {
    const [begun] = await this.database.query<{ at: Date }>('SELECT now() AS at');
    let total = 0;
    for (let found = BATCH_ROWS; found > 0;) {
      const batch = await this.database.transaction(async (tx) => {
        const rows = await tx.query<{ id: SessionId }>(
          `SELECT s.id FROM sessions s WHERE ${SELECTED} AND s.created_at <= $3 LIMIT $4`,
          [userId ?? null, since ?? null, begun?.at, BATCH_ROWS],
        );
        const ids = rows.map(({ id }) => id);
        const ended = await this.sessions.end(ids, 'ended_by_operator', tx, act);
        return { found: ids.length, ended: ended.length };
      });
      // Some of those found may have ended by themselves in the meantime; the next batch may still hold others.
      found = batch.found;
      total += batch.ended;
    }
    return total;
  }
}
