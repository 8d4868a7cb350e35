import type { Database } from '../database/database.js';
import type { PooledClient } from '../database/pooled-client.js';
import type { SessionId, UserId } from '../principal/principal.js';

interface Change {
  readonly id: number;
  readonly sessionId: SessionId | null;
  readonly userId: UserId | null;
}

interface Reading {
  /** The oldest transaction that was not over. */
  horizon: string;
  recovering: boolean;
  /** Which log this is: the run of the server, the database, the table. */
  log: string;
  /** The database's clock, in milliseconds. */
  at: number;
  changes: Change[];
}

/** What one reading of the log brought. */
export interface ChangeBatch {
  readonly changes: readonly Change[];
  /** Why earlier readings are void: another log answers, an older state of it, or one that may lack something. Null when they are not. */
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
    concat_ws('/', extract(epoch FROM pg_postmaster_start_time()), d.oid, 'principal_changes'::regclass::oid) AS log,
    (extract(epoch FROM now()) * 1000)::float8 AS at,
    (SELECT coalesce(json_agg(json_build_object('id', id, 'sessionId', session_id, 'userId', user_id) ORDER BY id), '[]')
     FROM principal_changes WHERE xid >= $1::xid8) AS changes
  FROM pg_database d WHERE d.datname = current_database()`;

/** Milliseconds between two prunings of one reader, at least. What is deleted was there to be read for as long. */
export const PRUNE_MILLISECONDS = 60_000;
/** Who has not read for longer, by the database's clock, may have missed what was deleted meanwhile. */
const LONGEST_GAP_MILLISECONDS = PRUNE_MILLISECONDS / 2;

/** Reads the log of changes on a connection of its own, on the very way that principals are loaded by. */
export class FeedReader {
  private connection: Promise<PooledClient> | undefined;
  /** The newest reading, its horizon as a number. */
  private last: { readonly horizon: bigint; readonly log: string; readonly at: number } | null = null;
  /** Everything before this was there to be read at the last pruning. Null: not known. */
  private prunable: bigint | null = null;
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
      const from = this.last?.horizon ?? (await this.currentHorizon(client));
      const { rows } = await client.query<Reading>(READ, [from.toString()]);
      const [reading] = rows;
      if (!reading) throw new Error('the session feed gave no row');
      return this.digest(reading);
    } catch (error) {
      this.drop(error);
      throw error;
    }
  }

  /**
   * Deletes what is older than five minutes, unless it has become visible since the last pruning: the time of a change is that of
   * the beginning of its transaction, which may have been committed a moment ago. To be called no more often than every {@link PRUNE_MILLISECONDS}.
   */
  async prune(): Promise<void> {
    const { prunable } = this;
    this.prunable = this.last?.horizon ?? null;
    if (prunable === null) return;
    await this.database.query(
      `DELETE FROM principal_changes WHERE at < now() - interval '5 minutes' AND xid < $1::xid8`,
      [prunable.toString()],
    );
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

  private digest({ log, at, recovering, ...reading }: Reading): ChangeBatch {
    const horizon = BigInt(reading.horizon);
    const discontinuity = this.discontinuityOf({ horizon, log, at });
    const changes = reading.changes.filter(({ id }) => !this.known.has(id));
    if (discontinuity !== null) this.prunable = null;
    this.last = { horizon, log, at };
    this.known = new Set(reading.changes.map(({ id }) => id));
    return { changes, discontinuity, trustworthy: !recovering };
  }

  private discontinuityOf({ horizon, log, at }: NonNullable<typeof this.last>): string | null {
    if (this.last === null) return 'first reading';
    if (horizon < this.last.horizon)
      return 'the database is older than at the last reading: restored from a backup?';
    if (log !== this.last.log)
      return 'another server or database answers, or the same one after a restart or a restore';
    return at - this.last.at > LONGEST_GAP_MILLISECONDS ? 'the log has not been read for too long' : null;
  }

  private async connect(): Promise<PooledClient> {
    const client = this.database.newConnection({ direct: false });
    client.once('end', () => this.drop(new Error('the connection of the session feed was lost')));
    await client.connect();
    return client;
  }

  /** Behind a new connection may be another server or database: the next reading tells. */
  private drop(reason: unknown): void {
    const connection = this.connection;
    this.connection = undefined;
    void connection?.then(
      (client) => client.discard(reason instanceof Error ? reason : new Error('dropped')),
      () => undefined,
    );
  }
}
