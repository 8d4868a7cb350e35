import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { COMMAND_LINE_ACT } from '../events/act.js';
import { SecurityEvents } from '../events/security-events.js';
import type { SessionId, UserId } from '../principal/principal.js';
import { SESSION_IS_LIVE } from './session-record.js';
import type { EndReason } from './sessions.service.js';

const BATCH_ROWS = 500;
const REASON: EndReason = 'mode_finished';

/** Live sessions that hold exactly these credentials. */
export interface HoldingCount {
  /** In the order of the alphabet. Empty: a sign-in whose credential is being handed out, or was withdrawn. */
  readonly holds: readonly string[];
  readonly sessions: number;
}

/** How many live sessions hold a credential of one strategy, by when it was last used (to the minute). */
export interface StrategyUse {
  readonly strategy: string;
  readonly sessions: number;
  readonly usedWithin: { readonly hour: number; readonly day: number; readonly week: number };
  readonly lastUsedAt: Date;
}

/** Who would be signed out if a strategy were withdrawn now: live sessions that hold nothing else that is accepted. */
export interface SignedOut {
  readonly sessions: number;
  readonly users: number;
  /** The first of their users, in the order of the alphabet. */
  readonly emails: readonly string[];
}

/** How far a withdrawal has come. */
export interface FinishProgress {
  readonly withdrawn: number;
  readonly ended: number;
}

/** A session that counts: neither ended nor expired, of a user who may sign in. */
const LIVE = `${SESSION_IS_LIVE} AND u.disabled_at IS NULL`;
const LIVE_SESSIONS = `sessions s JOIN users u ON u.id = s.user_id`;
const HOLDS_ONLY = `EXISTS (SELECT FROM credentials c WHERE c.session_id = s.id AND c.strategy = $1)
  AND NOT EXISTS (SELECT FROM credentials c WHERE c.session_id = s.id AND c.strategy <> $1 AND c.strategy = ANY($2))`;

/**
 * The numbers to watch while a company changes its mode, and the last step of it. Nodes need not be told: triggers log what is
 * withdrawn (docs/switching-modes.md).
 */
@Injectable()
export class ModeSwitch {
  constructor(
    private readonly database: Database,
    private readonly events: SecurityEvents,
  ) {}

  /** The live sessions by the set of credentials that they hold, the largest set of sessions first. */
  async holdings(): Promise<HoldingCount[]> {
    return this.patiently(
      `SELECT holds, count(*)::int AS sessions FROM (
         SELECT ARRAY(SELECT c.strategy FROM credentials c WHERE c.session_id = s.id ORDER BY c.strategy) AS holds
         FROM ${LIVE_SESSIONS} WHERE ${LIVE}) AS held
       GROUP BY holds ORDER BY sessions DESC, holds`,
    );
  }

  /** The credentials of live sessions by strategy, and how long ago they were used. */
  async uses(): Promise<StrategyUse[]> {
    const rows = await this.patiently<Omit<StrategyUse, 'usedWithin'> & StrategyUse['usedWithin']>(
      `SELECT c.strategy, count(*)::int AS sessions, max(c.last_used_at) AS "lastUsedAt",
         count(*) FILTER (WHERE c.last_used_at > now() - interval '1 hour')::int AS hour,
         count(*) FILTER (WHERE c.last_used_at > now() - interval '1 day')::int AS day,
         count(*) FILTER (WHERE c.last_used_at > now() - interval '7 days')::int AS week
       FROM ${LIVE_SESSIONS} JOIN credentials c ON c.session_id = s.id WHERE ${LIVE}
       GROUP BY c.strategy ORDER BY c.strategy`,
    );
    return rows.map(({ strategy, sessions, lastUsedAt, hour, day, week }) => ({
      strategy,
      sessions,
      usedWithin: { hour, day, week },
      lastUsedAt,
    }));
  }

  /** Who would be signed out if `strategy` were withdrawn now. @param accepted the strategies whose credentials count */
  async signedOutWithout(strategy: string, accepted: readonly string[], names = 5): Promise<SignedOut> {
    const [row] = await this.patiently<SignedOut>(
      `SELECT count(*)::int AS sessions, count(DISTINCT u.id)::int AS users,
         (array_agg(DISTINCT u.email ORDER BY u.email))[1:$3] AS emails
       FROM ${LIVE_SESSIONS} WHERE ${LIVE} AND ${HOLDS_ONLY}`,
      [strategy, accepted, names],
    );
    return { sessions: row?.sessions ?? 0, users: row?.users ?? 0, emails: row?.emails ?? [] };
  }

  /**
   * Withdraws the credentials of a strategy, in batches that block nobody. Sessions that are left with none end, when that is
   * wanted; otherwise those that hold nothing else that is accepted keep theirs, also when they have just begun.
   */
  async withdraw(
    strategy: string,
    { accepted, force }: { readonly accepted: readonly string[]; readonly force: boolean },
    report: (progress: FinishProgress) => void,
  ): Promise<FinishProgress> {
    const progress = { withdrawn: 0, ended: 0 };
    let last: SessionId | null = null;
    for (;;) {
      const batch = await this.nextBatch(strategy, last);
      if (batch.length === 0) return progress;
      const { withdrawn, ended } = await this.withdrawBatch(strategy, batch, force ? null : accepted);
      progress.withdrawn += withdrawn;
      progress.ended += ended;
      report({ ...progress });
      last = batch.at(-1) ?? null;
    }
  }

  private async nextBatch(strategy: string, after: SessionId | null): Promise<SessionId[]> {
    const rows = await this.patiently<{ id: SessionId }>(
      `SELECT session_id AS id FROM credentials WHERE strategy = $1 AND ($2::uuid IS NULL OR session_id > $2)
       ORDER BY session_id LIMIT $3`,
      [strategy, after, BATCH_ROWS],
    );
    return rows.map(({ id }) => id);
  }

  /** @param keepUnless the strategies of which a session must hold another one to lose this one; null: none */
  private async withdrawBatch(
    strategy: string,
    ids: readonly SessionId[],
    keepUnless: readonly string[] | null,
  ): Promise<FinishProgress> {
    return this.database.transaction(async (tx) => {
      // Nobody adds a credential to these sessions, or ends them, until this is done.
      await tx.query('SELECT id FROM sessions WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE', [
        ids,
      ]);
      const withdrawn = await tx.query<{ id: SessionId }>(
        `DELETE FROM credentials c USING sessions s JOIN users u ON u.id = s.user_id
         WHERE c.session_id = ANY($1::uuid[]) AND c.strategy = $2 AND s.id = c.session_id
           AND ($3::text[] IS NULL OR NOT (${LIVE}) OR EXISTS (
             SELECT FROM credentials o WHERE o.session_id = s.id AND o.strategy <> $2 AND o.strategy = ANY($3)))
         RETURNING s.id`,
        [ids, strategy, keepUnless],
      );
      const ended = await tx.query<{ id: SessionId; user_id: UserId }>(
        `UPDATE sessions s SET ended_at = now(), ended_reason = $2
         WHERE s.id = ANY($1::uuid[]) AND ${SESSION_IS_LIVE}
           AND NOT EXISTS (SELECT FROM credentials c WHERE c.session_id = s.id)
         RETURNING s.id, s.user_id`,
        [withdrawn.map(({ id }) => id), REASON],
      );
      for (const { id: sessionId, user_id: userId } of ended) {
        await this.events.publish(
          { type: 'session_ended', userId, sessionId, reason: REASON },
          tx,
          COMMAND_LINE_ACT,
        );
      }
      return { withdrawn: withdrawn.length, ended: ended.length };
    });
  }

  /** Counting a large table takes longer than a request may. */
  private async patiently<T>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
    return this.database.withoutLimits((connection) => connection.query<T>(sql, parameters));
  }
}
