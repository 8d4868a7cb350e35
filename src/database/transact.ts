import type { QueryRunner } from 'typeorm';
import type { PooledClient } from './pooled-client.js';
import type { Transaction } from './queryable.js';
import { rowsOf } from './unit-of-work.js';

/** What a rollback gets beyond the time of its transaction, before the connection is thrown away instead. */
const ROLLBACK_MS = 250;

/** Runs `work` in a READ COMMITTED transaction, once. */
export async function transact<T>(
  runner: QueryRunner,
  client: PooledClient,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const afterCommit: (() => void)[] = [];
  const result = await committed(runner, client, () =>
    work({
      manager: runner.manager,
      afterCommit: (callback) => void afterCommit.push(callback),
      query: <R>(sql: string, parameters?: readonly unknown[]) => rowsOf<R>(client, sql, parameters),
    }),
  );
  // That is how PostgreSQL answers COMMIT when a statement had failed, and `work` has swallowed its error.
  if (client.lastCommand === 'ROLLBACK') throw new Error('a statement of this transaction had failed');
  for (const callback of afterCommit) callback();
  return result;
}

/** Resolves when `work` and the COMMIT have; rolls back and rejects when either fails. */
async function committed<T>(runner: QueryRunner, client: PooledClient, work: () => Promise<T>): Promise<T> {
  try {
    await client.query('START TRANSACTION ISOLATION LEVEL READ COMMITTED');
    // As TypeORM's own startTransaction leaves it, which takes two statements: what repositories begin in here are savepoints.
    Object.assign(runner, { isTransactionActive: true, transactionDepth: 1 });
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    client.deadline = Math.max(client.deadline, performance.now() + ROLLBACK_MS);
    if (client.lost === null) await client.query('ROLLBACK').catch((reason: Error) => client.discard(reason));
    throw error;
  }
}
