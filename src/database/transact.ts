import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { HeldWrites } from './held-writes.js';
import type { PooledClient } from './pooled-client.js';
import type { Statement, StatementOptions, Transaction } from './queryable.js';

const START = 'START TRANSACTION ISOLATION LEVEL READ COMMITTED';
const COMMIT = 'COMMIT';
const PREPARED: StatementOptions = { prepare: true };

/** What a rollback gets beyond the time of its transaction, before the connection is thrown away instead. */
const ROLLBACK_MS = 250;

/** The name under which the server keeps the plan of a statement. */
type NameOf = (sql: string, options: StatementOptions) => string | undefined;

/** What a transaction does. */
export interface TransactionPlan<T, R> {
  readonly dataSource: DataSource;
  /** @param opened the rows of `opening`, when they are there */
  readonly work: (tx: Transaction, opened: Promise<R[]>) => Promise<T>;
  /** Goes to the server behind START, together with what `work` begins with. */
  readonly opening: Statement | undefined;
  readonly nameOf: NameOf;
}

/** Runs `work` in a READ COMMITTED transaction, once. */
export async function transact<T, R>(
  client: PooledClient,
  { dataSource, work, opening, nameOf }: TransactionPlan<T, R>,
): Promise<T> {
  const afterCommit: (() => void)[] = [];
  const writes = new HeldWrites();
  let hasBegun = false;
  const begun = client.held(START, [], nameOf(START, PREPARED)).then(() => void (hasBegun = true));
  /** What goes along with START is skipped if that fails. What comes after it waits for the answer: else it would run outside of a transaction. */
  const inside = <A>(send: () => Promise<A>): Promise<A> =>
    hasBegun || client.isHolding ? send() : begun.then(send);
  const manager = new LazyManager(dataSource, client, begun);
  const tx: Transaction = {
    get manager() {
      return manager.get();
    },
    afterCommit: (callback) => void afterCommit.push(callback),
    query: (sql, parameters, options = {}) =>
      inside(() => client.rows(sql, parameters, nameOf(sql, options))),
    write: async ({ sql, parameters, ...options }, failure) =>
      writes.add(
        inside(() => client.held(sql, parameters, nameOf(sql, options))),
        failure,
      ),
  };
  writes.add(begun);
  const result = await committed(client, writes, nameOf, () =>
    work(tx, openedBy<R>(client, opening, nameOf)),
  ).finally(() => manager.release());
  // That is how PostgreSQL answers COMMIT when a statement had failed, and `work` has swallowed its error.
  if (client.lastCommand === 'ROLLBACK') throw new Error('a statement of this transaction had failed');
  for (const callback of afterCommit) callback();
  return result;
}

/** The rows of `opening`. Whoever does not wait for them hears of its failure by that of what comes behind it. */
function openedBy<R>(client: PooledClient, opening: Statement | undefined, nameOf: NameOf): Promise<R[]> {
  if (!opening) return Promise.resolve([]);
  const { sql, parameters, ...options } = opening;
  const opened = client.held<R>(sql, parameters, nameOf(sql, options));
  opened.catch(() => undefined);
  return opened;
}

/** Resolves when `work` and the COMMIT have; rolls back and rejects when either fails. */
async function committed<T>(
  client: PooledClient,
  writes: HeldWrites,
  nameOf: NameOf,
  work: () => Promise<T>,
): Promise<T> {
  try {
    const result = await work();
    await client.rows(COMMIT, [], nameOf(COMMIT, PREPARED));
    await writes.answered();
    return result;
  } catch (error) {
    client.deadline = Math.max(client.deadline, performance.now() + ROLLBACK_MS);
    if (client.lost === null) {
      client.sendHeld();
      await client.rows('ROLLBACK').catch((reason: Error) => client.discard(reason));
    }
    // What failed first is the reason of what failed after it.
    await writes.answered();
    throw error;
  }
}

/** TypeORM's side of a transaction that was begun without it, made when it is asked for. */
class LazyManager {
  private runner: QueryRunner | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly client: PooledClient,
    private readonly begun: Promise<unknown>,
  ) {}

  get(): EntityManager {
    if (!this.runner) {
      this.runner = this.dataSource.createQueryRunner();
      // It knows nothing of statements that are skipped: its first one waits until the transaction has begun.
      const databaseConnectionPromise = this.begun.then(() => this.client);
      databaseConnectionPromise.catch(() => undefined);
      // As TypeORM's own startTransaction leaves it: what repositories begin in here are savepoints.
      Object.assign(this.runner, {
        databaseConnectionPromise,
        isTransactionActive: true,
        transactionDepth: 1,
      });
    }
    return this.runner.manager;
  }

  /** From here on its use is an error. The connection is not TypeORM's to give back. */
  async release(): Promise<void> {
    await this.runner?.release();
  }
}
