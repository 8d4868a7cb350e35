import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AppConfig } from '../config/app-config.js';
import { Database, type Queryable, type Transaction } from '../database/database.js';
import type { Act } from '../events/act.js';
import { SecurityEvents } from '../events/security-events.js';
import { SessionFeed } from '../feed/session-feed.js';
import type { SessionId, UserId } from '../principal/principal.js';
import type { Fingerprint } from './credential.js';
import { SessionLookups } from './session-lookups.js';
import {
  SESSION_COLUMNS,
  SESSION_IS_LIVE,
  type SessionRecord,
  type SessionRow,
  sessionRecord,
} from './session-record.js';

/** Why a session ended, as kept in `sessions.ended_reason`. */
export type EndReason =
  | 'logout'
  | 'ended_by_user'
  | 'replaced'
  | 'surplus'
  | 'password_changed'
  | 'refresh_reused'
  | 'mode_finished'
  | 'user_disabled'
  | 'user_deleted'
  | 'password_reset'
  | 'ended_by_admin'
  | 'ended_by_operator';

/** A sign-in that has been proven and is about to become a session. */
export interface SessionStart extends Fingerprint {
  readonly userId: UserId;
  /** What must still hold under lock, where that is found out beside the statement that starts the session; rejects when it does not. */
  readonly proven?: Promise<void>;
  readonly factors: readonly string[];
  readonly remember: boolean;
  /** The sessions of the cookies that this sign-in replaces; they end with it. */
  readonly replaces: readonly SessionId[];
  /** By which request; the actor is the user who signs in. */
  readonly act?: Act;
}

/** A session as its user sees it in the list of devices. */
export interface SessionListItem {
  readonly id: SessionId;
  readonly strategies: readonly string[];
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
  readonly expiresAt: Date;
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/** The login sessions: one row per sign-in on a device, the same in every auth mode (contract section 1). */
@Injectable()
export class SessionsService {
  private readonly lookups: SessionLookups;

  constructor(
    private readonly database: Database,
    private readonly config: AppConfig,
    private readonly events: SecurityEvents,
    private readonly feed: SessionFeed,
  ) {
    this.lookups = new SessionLookups(database);
  }

  /**
   * Starts a session inside the transaction that holds the lock on the user's row, so that nothing can slip between:
   * ends the replaced sessions and the least recently seen ones beyond `SESSION_MAX_PER_USER`.
   */
  async start(tx: Queryable, start: SessionStart): Promise<SessionRecord> {
    const { idleSeconds, absoluteSeconds, rememberIdleSeconds, rememberAbsoluteSeconds, maxPerUser } =
      this.config.session;
    const act = start.act && { ...start.act, actor: start.userId };
    if (start.replaces.length > 0) {
      await start.proven;
      await this.end(start.replaces, 'replaced', tx, act);
    }
    const starting = tx.query<SessionRow & { surplus: SessionId[]; new_device: boolean }>(
      // All of it sees the table as it was before the INSERT. A device is known by its user agent and address together, as long as
      // its sessions are kept (30 days after their end).
      `WITH started AS (
         INSERT INTO sessions
           (id, user_id, factors, idle_expires_at, expires_at, ip, user_agent, remembered, authenticated_at, last_seen_at)
         VALUES ($1, $2, $3, now() + make_interval(secs => $4), now() + make_interval(secs => $5), $6, $7, $8, now(), now())
         RETURNING *)
       SELECT ${SESSION_COLUMNS},
         ARRAY(SELECT s.id FROM sessions s WHERE s.user_id = $2 AND ${SESSION_IS_LIVE}
           ORDER BY s.last_seen_at DESC, s.id DESC OFFSET $9) AS surplus,
         NOT EXISTS (SELECT FROM sessions d WHERE d.user_id = $2 AND d.ip = $6 AND d.user_agent IS NOT DISTINCT FROM $7) AS new_device
       FROM started s JOIN users u ON u.id = s.user_id`,
      [
        uuidv7(),
        start.userId,
        start.factors,
        start.remember ? rememberIdleSeconds : idleSeconds,
        start.remember ? rememberAbsoluteSeconds : absoluteSeconds,
        start.address,
        start.userAgent,
        start.remember,
        maxPerUser - 1,
      ],
      { prepare: true },
    );
    // What does not hold is the reason of whatever else failed, such as the session of a user who is gone.
    await Promise.allSettled([starting, start.proven]);
    await start.proven;
    const [row] = await starting;
    if (!row) throw new Error('a session was inserted and not returned');
    if (row.surplus.length > 0) await this.end(row.surplus, 'surplus', tx, act);
    const session = sessionRecord(row);
    const { userId, address, userAgent } = start;
    await this.events.publish(
      {
        type: 'session_started',
        userId,
        sessionId: session.id,
        address,
        userAgent,
        newDevice: row.new_device,
      },
      tx,
      act,
    );
    return session;
  }

  /** The session of that id, whatever its state and credentials. */
  async findById(id: SessionId): Promise<SessionRecord | null> {
    const [row] = await this.database.query<SessionRow>(
      `SELECT ${SESSION_COLUMNS} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1`,
      [id],
    );
    return row ? sessionRecord(row) : null;
  }

  /** The sessions of a user that are live, newest first, with what they are shown by. */
  async listLive(userId: UserId): Promise<SessionListItem[]> {
    return this.database.query<SessionListItem>(
      `SELECT s.id, s.created_at AS "createdAt", s.last_seen_at AS "lastSeenAt", s.expires_at AS "expiresAt", s.ip,
         s.user_agent AS "userAgent",
         ARRAY(SELECT c.strategy FROM credentials c WHERE c.session_id = s.id ORDER BY c.issued_at, c.strategy) AS strategies
       FROM sessions s WHERE s.user_id = $1 AND ${SESSION_IS_LIVE} ORDER BY s.created_at DESC, s.id DESC`,
      [userId],
    );
  }

  /** The session behind a credential's secret, whatever its state. One statement, shared with others who ask now. */
  async findBySecret(strategy: string, secretHash: Buffer): Promise<SessionRecord | null> {
    return this.lookups.bySecret(strategy, secretHash);
  }

  /** The session of that id if it holds a credential of that strategy, whatever its state. One statement, shared likewise. */
  async findByCredential(strategy: string, sessionId: SessionId): Promise<SessionRecord | null> {
    return this.lookups.byCredential(strategy, sessionId);
  }

  /** Whether a session is live; it stays so until the transaction ends. Waits for whoever is ending it at the moment. */
  async holdLive(id: SessionId, tx: Transaction): Promise<boolean> {
    const rows = await tx.query(
      `SELECT s.id FROM sessions s WHERE s.id = $1 AND ${SESSION_IS_LIVE} FOR SHARE`,
      [id],
    );
    return rows.length === 1;
  }

  /** Ends sessions that are not ended yet and says which. Idempotent. @param tx default: a transaction of its own */
  async end(ids: readonly SessionId[], reason: EndReason, tx?: Queryable, act?: Act): Promise<SessionId[]> {
    return this.endWhere('id = ANY($2::uuid[])', reason, [ids], tx, act);
  }

  /** Ends one session of a user. @returns whether there was a live one of that id. */
  async endOwn(userId: UserId, id: SessionId, reason: EndReason, act?: Act): Promise<boolean> {
    const ended = await this.endWhere(
      'id = $2 AND user_id = $3 AND expires_at > now() AND idle_expires_at > now()',
      reason,
      [id, userId],
      undefined,
      act,
    );
    return ended.length > 0;
  }

  /** Ends all sessions of a user but the ones kept, and says which. @param tx default: a transaction of its own */
  async endOthers(
    userId: UserId,
    keep: readonly SessionId[],
    reason: EndReason,
    tx?: Queryable,
    act?: Act,
  ): Promise<SessionId[]> {
    return this.endWhere('user_id = $2 AND id <> ALL($3::uuid[])', reason, [userId, keep], tx, act);
  }

  private async endWhere(
    condition: string,
    reason: EndReason,
    parameters: readonly unknown[],
    tx: Queryable | undefined,
    act: Act | undefined,
  ): Promise<SessionId[]> {
    if (!tx) {
      return this.database.transaction((own) => this.endWhere(condition, reason, parameters, own, act));
    }
    const rows = await tx.query<{ id: SessionId; user_id: UserId }>(
      `UPDATE sessions SET ended_at = now(), ended_reason = $1 WHERE ended_at IS NULL AND ${condition} RETURNING id, user_id`,
      [reason, ...parameters],
      { prepare: true },
    );
    tx.afterCommit(() => {
      for (const { id } of rows) this.feed.noteOwn({ sessionId: id, userId: null });
    });
    for (const { id, user_id } of rows) {
      await this.events.publish({ type: 'session_ended', userId: user_id, sessionId: id, reason }, tx, act);
    }
    return rows.map(({ id }) => id);
  }
}
