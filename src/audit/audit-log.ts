import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { UserId } from '../principal/principal.js';

/** Events of one answer. */
const NEWEST = 100;

/** An event as the user sees it whom it is about. */
export interface OwnEvent {
  readonly id: string;
  readonly type: string;
  readonly at: Date;
  readonly sessionId: string | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly count: number;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Reads the audit. */
@Injectable()
export class AuditLog {
  constructor(private readonly database: Database) {}

  /** The newest 100 events about a user. Where another one acted, such as an administrator, they stay unseen. */
  async newestOf(userId: UserId): Promise<OwnEvent[]> {
    return this.database.query<OwnEvent>(
      `SELECT id, type, at, session_id AS "sessionId", count, details,
         CASE WHEN coalesce(actor, 'system') IN ('system', user_id::text) THEN ip END AS ip,
         CASE WHEN coalesce(actor, 'system') IN ('system', user_id::text) THEN user_agent END AS "userAgent"
       FROM audit_events WHERE user_id = $1 ORDER BY at DESC, id DESC LIMIT $2`,
      [userId, NEWEST],
    );
  }
}
