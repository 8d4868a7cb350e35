import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { HeldWrites } from './held-writes.js';
import type { PooledClient } from './pooled-client.js';
import type { Statement, StatementOptions, Transaction } from './queryable.js';
import { rowsOf } from './unit-of-work.js';

/** What a rollback gets beyond the time of its transaction, before the connection is thrown away instead. */
const ROLLBACK_MS = 250;

/** What a transaction does. */
export interface TransactionPlan<T, R> {
  readonly dataSource: DataSource;
  /** @param opened the rows of `opening` */
  readonly work: (tx: Transaction, opened: R[]) => Promise<T>;
  /** Goes to the server together with START. It may read and lock; had it written, that would stay when START failed. */
  readonly opening: Statement | undefined;
  /** The name under which the server keeps the plan of a statement. */
  readonly nameOf: (sql: string, options: StatementOptions) => string | undefined;
}

/** Runs `work` in a READ COMMITTED transaction, once. */
export async function transact<T, R>(
  client: PooledClient,
  { dataSource, work, opening, nameOf }: TransactionPlan<T, R>,
): Promise<T> {
  const afterCommit: (() => void)[] = [];
  const writes = new HeldWrites(client);
  const run = <Row>(statement: Statement): Promise<Row[]> =>
    rowsOf<Row>(client, statement.sql, statement.parameters, nameOf(statement.sql, statement));
  const manager = new LazyManager(dataSource, client);
  const tx: Transaction = {
    get manager() {
      return manager.get();
    },
    afterCommit: (callback) => void afterCommit.push(callback),
    query: (sql, parameters = [], options = {}) => writes.release(() => run({ ...options, sql, parameters })),
    write: async (statement, failure) => writes.hold(() => run(statement), failure),
  };
  const result = await committed(client, writes, async () => {
    const opened = await started(client, () => (opening ? run<R>(opening) : Promise.resolve([])));
    return work(tx, opened);
  }).finally(() => manager.release());
  // That is how PostgreSQL answers COMMIT when a statement had failed, and `work` has swallowed its error.
  if (client.lastCommand === 'ROLLBACK') throw new Error('a statement of this transaction had failed');
  for (const callback of afterCommit) callback();
  return result;
}

/** Begins. Both statements are answered, or this rejects. */
async function started<R>(client: PooledClient, open: () => Promise<R>): Promise<R> {
  client.cork();
  const start = client.query('START TRANSACTION ISOLATION LEVEL READ COMMITTED');
  const opening = open();
  client.uncork();
  const [, opened] = await Promise.all([start, opening]);
  return opened;
}

/** Resolves when `work` and the COMMIT have; rolls back and rejects when either fails. */
async function committed<T>(client: PooledClient, writes: HeldWrites, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    await writes.release(() => client.query('COMMIT'));
    await writes.answered();
    return result;
  } catch (error) {
    client.deadline = Math.max(client.deadline, performance.now() + ROLLBACK_MS);
    if (client.lost === null) {
      await writes.release(() => client.query('ROLLBACK')).catch((reason: Error) => client.discard(reason));
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
  ) {}

  get(): EntityManager {
    if (!this.runner) {
      this.runner = this.dataSource.createQueryRunner();
      // As TypeORM's own startTransaction leaves it: what repositories begin in here are savepoints.
      const begun = { databaseConnection: this.client, isTransactionActive: true, transactionDepth: 1 };
      Object.assign(this.runner, begun);
    }
    return this.runner.manager;
  }

  /** From here on its use is an error. The connection is not TypeORM's to give back. */
  async release(): Promise<void> {
    await this.runner?.release();
  }
}
