import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { BatchedReads } from '../database/batched-reads.js';
import { Database, type Queryable } from '../database/database.js';
import { SessionFeed } from '../feed/session-feed.js';
import type { SessionId } from '../principal/principal.js';
import {
  CREDENTIAL_COLUMNS,
  type Credential,
  type CredentialRow,
  type CredentialWithSession,
  type CredentialWithSessionRow,
  type NewCredential,
  type Rotation,
  type SharedCredential,
  credential,
  credentialWithSession,
} from './credential.js';
import { deriveSecret } from './derived-secret.js';
import { SESSION_COLUMNS_BY_CREDENTIAL, SESSION_IS_LIVE } from './session-record.js';

const SEED_BYTES = 16;

/** The only way to the `credentials` table: a strategy needs no table and no migration of its own. */
@Injectable()
export class CredentialStore {
  private readonly reads = new BatchedReads((keys, since) => this.read(keys, since));

  constructor(
    private readonly database: Database,
    private readonly feed: SessionFeed,
    private readonly config: AppConfig,
  ) {}

  /**
   * Keeps a credential: the first one, in the transaction that starts the session, or one of a live session. Then one that it already
   * held of that strategy is replaced: its value is dead with this statement. Waits for whoever is ending or deleting the session at
   * the moment.
   * @returns null when the session is no longer live: there is nothing to hand out.
   */
  async put({ on, ...wanted }: NewCredential): Promise<Credential | null> {
    return on ? this.putFirst(wanted, on) : this.replace(wanted);
  }

  private async putFirst(
    { sessionId, strategy, secretHash, secretId }: NewCredential,
    tx: Queryable,
  ): Promise<Credential> {
    const seed = randomBytes(SEED_BYTES);
    await tx.write({
      sql: 'INSERT INTO credentials (session_id, strategy, secret_hash, seed, secret_id) VALUES ($1, $2, $3, $4, $5)',
      parameters: [sessionId, strategy, secretHash ?? null, seed, secretId ?? null],
      prepare: true,
    });
    return { sessionId, strategy, counter: 0, generation: 0, seed, secretId: secretId ?? null };
  }

  private async replace({
    sessionId,
    strategy,
    secretHash,
    secretId,
  }: NewCredential): Promise<Credential | null> {
    const [row] = await this.database.query<CredentialRow>(
      `INSERT INTO credentials AS c (session_id, strategy, secret_hash, seed, secret_id)
       SELECT s.id, $2, $3, $4, $5 FROM sessions s WHERE s.id = $1 AND ${SESSION_IS_LIVE} FOR SHARE
       ON CONFLICT (session_id, strategy) DO UPDATE SET secret_hash = excluded.secret_hash, seed = excluded.seed,
         secret_id = excluded.secret_id, generation = c.generation + 1, counter = 0, issued_at = now(), last_used_at = now(),
         rotated_at = NULL, rotated_ip = NULL, rotated_user_agent = NULL
       RETURNING ${CREDENTIAL_COLUMNS}`,
      [sessionId, strategy, secretHash ?? null, randomBytes(SEED_BYTES), secretId ?? null],
      { prepare: true },
    );
    if (!row) return null;
    if (row.generation > 0) this.feed.noteOwn({ sessionId, userId: null });
    return credential(row);
  }

  /**
   * Adds a credential to a running session, or finds the one that it holds already, whose value is computed from the row: whoever
   * asks gets the same row. Waits for whoever is ending the session. @returns null when the session is no longer live.
   */
  async obtain({ sessionId, strategy, secretId }: NewCredential): Promise<Credential | null> {
    const [row] = await this.database.query<CredentialRow>(
      `INSERT INTO credentials AS c (session_id, strategy, seed, secret_id)
       SELECT s.id, $2, $3, $4 FROM sessions s WHERE s.id = $1 AND ${SESSION_IS_LIVE} FOR SHARE
       ON CONFLICT (session_id, strategy) DO UPDATE SET last_used_at = now()
       RETURNING ${CREDENTIAL_COLUMNS}`,
      [sessionId, strategy, randomBytes(SEED_BYTES), secretId ?? null],
    );
    return row ? credential(row) : null;
  }

  /**
   * The same for a value that is looked up. It is derived, so that requests that race on several nodes, also while `APP_SECRET`
   * rotates, are told the same one. A value that was drawn at sign-in is known by its hash alone: it is replaced, once.
   * @returns 256 bits for the strategy to make its value of; null when the session is no longer live
   */
  async obtainSecret({ sessionId, strategy, hashOf }: SharedCredential): Promise<string | null> {
    return this.database.transaction(async (tx) => {
      // Others who add to this session wait here, and so does whoever ends it.
      const live = await tx.query(
        `SELECT s.id FROM sessions s WHERE s.id = $1 AND ${SESSION_IS_LIVE} FOR NO KEY UPDATE`,
        [sessionId],
      );
      if (live.length === 0) return null;
      const [held] = await tx.query<CredentialRow & { secret_hash: Buffer | null }>(
        `SELECT ${CREDENTIAL_COLUMNS}, c.secret_hash FROM credentials c WHERE c.session_id = $1 AND c.strategy = $2`,
        [sessionId, strategy],
      );
      const maker = this.config.secrets.find(({ id }) => id === held?.secret_id);
      const known = held && maker ? deriveSecret(maker, credential(held)) : null;
      if (known !== null && held?.secret_hash?.equals(hashOf(known))) return known;

      const [newest] = this.config.secrets;
      const generation = held ? held.generation + 1 : 0;
      const seed = randomBytes(SEED_BYTES);
      const secret = deriveSecret(newest, { sessionId, strategy, generation, seed });
      await tx.query(
        `INSERT INTO credentials (session_id, strategy, secret_hash, seed, secret_id, generation) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (session_id, strategy) DO UPDATE SET secret_hash = excluded.secret_hash, seed = excluded.seed,
           secret_id = excluded.secret_id, generation = excluded.generation, issued_at = now(), last_used_at = now()`,
        [sessionId, strategy, hashOf(secret), seed, newest.id, generation],
      );
      if (held) tx.afterCommit(() => this.feed.noteOwn({ sessionId, userId: null }));
      return secret;
    });
  }

  /** The credential of that strategy which a session holds, with the session. One statement, shared with others who ask now. */
  async find(sessionId: SessionId, strategy: string): Promise<CredentialWithSession | null> {
    return this.reads.get(`${strategy} ${sessionId}`);
  }

  /**
   * Moves a credential's counter in one atomic statement. @returns false, and nothing has changed, when the credential is no
   * longer the one that was read (another request was quicker) or the session is no longer live.
   */
  async rotate(
    { sessionId, strategy, counter: from, seed }: Credential,
    to: Rotation,
    on: Queryable = this.database,
  ): Promise<boolean> {
    const rows = await on.query(
      `UPDATE credentials c SET counter = $5, secret_id = $6, rotated_at = now(), last_used_at = now(),
         rotated_ip = $7, rotated_user_agent = $8
       FROM sessions s JOIN users u ON u.id = s.user_id
       WHERE c.session_id = $1 AND c.strategy = $2 AND c.counter = $3 AND c.seed = $4
         AND s.id = c.session_id AND ${SESSION_IS_LIVE} AND u.disabled_at IS NULL
       RETURNING c.session_id`,
      [sessionId, strategy, from, seed, to.counter, to.secretId, to.device.address, to.device.userAgent],
      { prepare: true },
    );
    return rows.length === 1;
  }

  /** Kills the values of these strategies for a session, which lives on with its other credentials. */
  async withdraw(
    sessionId: SessionId,
    strategies: readonly string[],
    on: Queryable = this.database,
  ): Promise<void> {
    await on.query(`DELETE FROM credentials WHERE session_id = $1 AND strategy = ANY($2)`, [
      sessionId,
      strategies,
    ]);
    on.afterCommit(() => this.feed.noteOwn({ sessionId, userId: null }));
  }

  private async read(
    keys: readonly string[],
    since: number,
  ): Promise<ReadonlyMap<string, CredentialWithSession>> {
    const pairs = keys.map((key) => key.split(' '));
    const rows = await this.database.query<CredentialWithSessionRow>(
      `SELECT ${CREDENTIAL_COLUMNS}, ${SESSION_COLUMNS_BY_CREDENTIAL},
         extract(epoch FROM now() - coalesce(c.rotated_at, c.issued_at))::float8 AS rotated_seconds_ago,
         CASE WHEN c.rotated_at IS NULL THEN s.ip ELSE c.rotated_ip END AS by_ip,
         CASE WHEN c.rotated_at IS NULL THEN s.user_agent ELSE c.rotated_user_agent END AS by_user_agent
       FROM unnest($1::text[], $2::uuid[]) AS k (strategy, session_id)
         JOIN credentials c ON c.session_id = k.session_id AND c.strategy = k.strategy
         JOIN sessions s ON s.id = c.session_id JOIN users u ON u.id = s.user_id`,
      [pairs.map(([strategy]) => strategy), pairs.map(([, sessionId]) => sessionId)],
      { since, prepare: true },
    );
    return new Map(rows.map((row) => [`${row.strategy} ${row.session_id}`, credentialWithSession(row)]));
  }
}
