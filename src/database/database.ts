import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { onOwnConnection, tryAdvisoryLock, withAdvisoryLock } from './advisory-lock.js';
import { CONNECTION_SETTINGS } from './connection-settings.js';
import { isRetryable, toApplicationError } from './database-errors.js';
import { IdleConnections } from './idle-connections.js';
import { PooledClient } from './pooled-client.js';
import { transact } from './transact.js';
import { borrow, unitOfWork } from './unit-of-work.js';
import { statementName } from './statement-name.js';
import {
  type Queryable,
  type Statement,
  type StatementOptions,
  type Transaction,
  writingBy,
} from './queryable.js';
import { SidePool } from './side-pool.js';

export type { Queryable, Statement, Transaction } from './queryable.js';

/** How long one unit of work (a query, or a transaction with its retries) may take, waiting for a connection included. */
const BUDGET_MS = 2_500;
const RETRIES = 3;
/** How long opening a connection of one's own may take. */
const CONNECT_MS = 1_000;

/** How a statement outside of a transaction is run. */
export interface QueryOptions extends StatementOptions {
  /** When whoever waits for it began to wait (`performance.now()`): from then on it has 2.5 s. Default: now. */
  readonly since?: number;
}

/** How a {@link Database} was opened. */
export interface DatabaseParts {
  readonly dataSource: DataSource;
  /** Where the pool's connections lead. */
  readonly url: string;
  /** Where a connection stays the same from statement to statement: not a transaction pooler. */
  readonly directUrl: string;
  /** Where it is, in words for the operator, without credentials. */
  readonly location: string;
  /** Runs after the pool has ended: stops what was started for this database. */
  readonly afterClose: () => Promise<void>;
}

/**
 * The one way to PostgreSQL. Everything here either ends within 2.5 s or throws `Problem('unavailable')` (503), as it
 * does whenever the database is not there or not able; other errors come as pg's `DatabaseError`. After a 503 the
 * outcome of a write is not known: it may have been committed. Statements that bypass this class have only the limit
 * of 2 s a statement.
 */
export class Database implements Queryable {
  readonly dataSource: DataSource;
  /** Where it is, in words for the operator, without credentials. */
  readonly location: string;
  readonly #url: string;
  readonly #directUrl: string;
  readonly #prepares: boolean;
  readonly #afterClose: () => Promise<void>;
  #idle: IdleConnections | undefined;
  #closed: Promise<void> | undefined;

  constructor(parts: DatabaseParts) {
    this.dataSource = parts.dataSource;
    this.location = parts.location;
    this.#url = parts.url;
    this.#directUrl = parts.directUrl;
    this.#prepares = parts.url === parts.directUrl;
    this.#afterClose = parts.afterClose;
  }

  /**
   * Runs one statement. Its rows, of a SELECT and of a RETURNING alike; none is an empty list. After a deadlock or a serialisation
   * failure, of which nothing remains, it runs again, up to three times.
   */
  async query<T>(sql: string, parameters: readonly unknown[] = [], options: QueryOptions = {}): Promise<T[]> {
    const deadline = (options.since ?? performance.now()) + BUDGET_MS;
    const name = this.#nameOf(sql, options);
    return this.#onPooledClient(deadline, (client) => client.rows<T>(sql, parameters, name));
  }

  readonly write = writingBy((sql, parameters, options) => this.query(sql, parameters, options));

  /** Every statement outside of a transaction is committed when its promise resolves. */
  afterCommit(work: () => void): void {
    work();
  }

  /**
   * A connection of the caller's own, not yet open, for what must neither wait for the pool nor hold a place in it.
   * `direct`: to DATABASE_DIRECT_URL, for LISTEN. Statements have the usual limit; a loss is told by its `end` event.
   */
  newConnection({ direct }: { readonly direct: boolean }): PooledClient {
    const connectionString = direct ? this.#directUrl : this.#url;
    return new PooledClient({
      ...CONNECTION_SETTINGS,
      connectionString,
      connectionTimeoutMillis: CONNECT_MS,
    });
  }

  /** Connections beside those of the requests; whoever opens them closes them before this database is closed. */
  openSidePool(size: number, limitMilliseconds: number): SidePool {
    const nameOf = (sql: string): string | undefined => this.#nameOf(sql, { prepare: true });
    return new SidePool({ settings: () => poolOf(this.dataSource).options, size, limitMilliseconds, nameOf });
  }

  /**
   * Runs `work` in a READ COMMITTED transaction that commits when it resolves and rolls back when it throws. After a
   * deadlock or a serialisation failure all of it runs again, up to three times: `work` must change nothing but `tx`.
   * The beginning goes to the server with the first statement of `work`.
   * @param opening a statement that goes between the two, and `work` gets its rows when they are there: with the answer to the first one
   */
  async transaction<T, R = never>(
    work: (tx: Transaction, opened: Promise<R[]>) => Promise<T>,
    opening?: Statement,
  ): Promise<T> {
    const { dataSource } = this;
    const nameOf = (sql: string, options: StatementOptions) => this.#nameOf(sql, options);
    return this.#onPooledClient(performance.now() + BUDGET_MS, (client) =>
      transact(client, { dataSource, work, opening, nameOf }),
    );
  }

  /**
   * Runs `work` while no other process of this database does under the same `name`, on a connection of its own that
   * has no time limits and whose loss ends the lock. Throws `Problem('unavailable')` when it is not free within 10 s.
   */
  async withAdvisoryLock<T>(name: string, work: (connection: Queryable) => Promise<T>): Promise<T> {
    return withAdvisoryLock(this.#directUrl, name, work);
  }

  /** The same, but when another process holds the lock: null at once, and `work` does not run. */
  async tryAdvisoryLock<T>(name: string, work: (connection: Queryable) => Promise<T>): Promise<T | null> {
    return tryAdvisoryLock(this.#directUrl, name, work);
  }

  /** Runs `work` on a connection of its own that has no time limits: for commands, which no client is waiting for. */
  async withoutLimits<T>(work: (connection: Queryable) => Promise<T>): Promise<T> {
    return onOwnConnection(this.#directUrl, work);
  }

  /** True from the moment that {@link close} is called: connections that end now end because of that. */
  get isClosing(): boolean {
    return this.#closed !== undefined;
  }

  /** Ends all connections, waiting no longer than a second for a server that does not answer. */
  async close(): Promise<void> {
    this.#closed ??= (async (): Promise<void> => {
      if (this.dataSource.isInitialized) await this.dataSource.destroy();
      await this.#afterClose();
    })();
    return this.#closed;
  }

  /** Straight from the pool: TypeORM's way to it costs more than the rest of this side. */
  async #onPooledClient<T>(deadline: number, work: (client: PooledClient) => Promise<T>): Promise<T> {
    return retrying(deadline, async () => {
      const client = await borrow(() => this.#pool().connect());
      return unitOfWork(client, deadline, {
        work: () => work(client),
        release: () => client.release(client.lost ?? undefined),
        isRaw: isRetryable,
        onLost: (reason) => this.#idle?.siblingLost(reason),
      });
    });
  }

  #nameOf(sql: string, { prepare = false }: StatementOptions): string | undefined {
    return prepare && this.#prepares ? statementName(sql) : undefined;
  }

  #pool(): pg.Pool {
    const pool = poolOf(this.dataSource);
    this.#idle ??= new IdleConnections(pool);
    return pool;
  }
}

/** Does it again when that may help, as long as there is time. Nothing of an attempt that fails so remains. */
async function retrying<T>(deadline: number, attempt: () => Promise<T>): Promise<T> {
  for (let retry = 1; ; retry++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isRetryable(error)) throw error;
      if (retry > RETRIES || performance.now() > deadline) throw toApplicationError(error);
      await delay(randomInt(1, 20 * retry));
    }
  }
}

function poolOf({ driver }: DataSource): pg.Pool {
  if ('master' in driver && driver.master instanceof pg.Pool) return driver.master;
  throw new Error('the database is closed');
}
