import type { Database } from '../database/database.js';
import type { PooledClient } from '../database/pooled-client.js';
import type { SessionId, UserId } from '../principal/principal.js';

interface Change {
  readonly id: number;
  readonly sessionId: SessionId | null;
  readonly userId: UserId | null;
}

interface Reading {
  horizon: string;
  recovering: boolean;
  server: string;
  changes: Change[];
}

/** What one reading of the log brought. */
export interface ChangeBatch {
  readonly changes: readonly Change[];
  /** Why earlier readings are void: another server answers, or an older state of this one. Null when they are not. */
  readonly discontinuity: string | null;
  /** False from a replica: what it has not seen yet cannot be ruled out. */
  readonly trustworthy: boolean;
}

/**
 * One statement, so one snapshot: the changes of all transactions that were not over at the last reading, and what is the oldest
 * one that is not over now. A change that commits late is therefore never skipped.
 */
const READ = `
  SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon, pg_is_in_recovery() AS recovering,
    pg_postmaster_start_time()::text AS server,
    (SELECT coalesce(json_agg(json_build_object('id', id, 'sessionId', session_id, 'userId', user_id) ORDER BY id), '[]')
     FROM principal_changes WHERE xid >= $1::xid8) AS changes`;

/** Reads the log of changes on a connection of its own, on the very way that principals are loaded by. */
export class FeedReader {
  private connection: Promise<PooledClient> | undefined;
  private horizon: bigint | null = null;
  private server: string | null = null;
  /** Changes of transactions that are still within the horizon: they come again, and are not news. */
  private known = new Set<number>();

  constructor(
    private readonly database: Database,
    private readonly limitMilliseconds: number,
  ) {}

  /** The changes since the last reading. Rejects within the limit when the database does not answer. */
  async read(): Promise<ChangeBatch> {
    this.connection ??= this.connect();
    try {
      const client = await this.connection;
      client.deadline = performance.now() + this.limitMilliseconds;
      // Before the first reading nothing is remembered that a change could make untrue: no need to read the whole log.
      const from = this.horizon ?? (await this.currentHorizon(client));
      const { rows } = await client.query<Reading>(READ, [from.toString()]);
      const [reading] = rows;
      if (!reading) throw new Error('the session feed gave no row');
      return this.digest(reading);
    } catch (error) {
      this.drop(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    const connection = this.connection;
    this.connection = undefined;
    await (await connection?.catch(() => undefined))?.end();
  }

  private async currentHorizon(client: PooledClient): Promise<bigint> {
    const { rows } = await client.query<{ horizon: string }>(
      'SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon',
    );
    return BigInt(rows[0]?.horizon ?? 0);
  }

  private digest(reading: Reading): ChangeBatch {
    const horizon = BigInt(reading.horizon);
    const discontinuity = this.discontinuityOf(horizon, reading.server);
    const changes = reading.changes.filter(({ id }) => !this.known.has(id));
    this.horizon = horizon;
    this.server = reading.server;
    this.known = new Set(reading.changes.map(({ id }) => id));
    return { changes, discontinuity, trustworthy: !reading.recovering };
  }

  private discontinuityOf(horizon: bigint, server: string): string | null {
    if (this.horizon === null) return 'first reading';
    if (horizon < this.horizon)
      return 'the database is older than at the last reading: restored from a backup?';
    return server === this.server ? null : 'another server answers, or the same one after a restart';
  }

  private async connect(): Promise<PooledClient> {
    const client = this.database.newConnection({ direct: false });
    client.once('end', () => this.drop(new Error('the connection of the session feed was lost')));
    await client.connect();
    return client;
  }

  /** Behind a new connection may be another server: the next reading judges that by its start time. */
  private drop(reason: unknown): void {
    const connection = this.connection;
    this.connection = undefined;
    void connection?.then(
      (client) => client.discard(reason instanceof Error ? reason : new Error('dropped')),
      () => undefined,
    );
  }
}
