import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { CONNECTION_SETTINGS } from './connection-settings.js';
import { toApplicationError, unavailable } from './database-errors.js';
import { type Queryable, writingBy } from './queryable.js';

const CONNECT_LIMIT_MS = 5_000;
const GOODBYE_LIMIT_MS = 1_000;
const WAIT_LIMIT_MS = 10_000;
const POLL_MS = 100;

type Work<T> = (connection: Queryable) => Promise<T>;

/** See `Database.withAdvisoryLock`. `url` must lead to the server itself, or to a pooler in session mode. */
export async function withAdvisoryLock<T>(url: string, name: string, work: Work<T>): Promise<T> {
  return onOwnConnection(url, async (connection) => {
    // Asked again and again, because a waiting `pg_advisory_lock` is an open transaction: it deadlocks with a
    // `CREATE INDEX CONCURRENTLY` of the holder.
    for (
      const until = performance.now() + WAIT_LIMIT_MS;
      !(await lock(connection, name));
      await delay(POLL_MS)
    ) {
      if (performance.now() > until)
        throw unavailable(new Error(`the lock "${name}" is held by another process`));
    }
    return work(connection);
  });
}

/** See `Database.tryAdvisoryLock`. */
export async function tryAdvisoryLock<T>(url: string, name: string, work: Work<T>): Promise<T | null> {
  return onOwnConnection(url, async (connection) =>
    (await lock(connection, name)) ? work(connection) : null,
  );
}

/** Takes the lock of that name for as long as the connection lives, unless another connection has it. */
export async function lock(connection: Pick<Queryable, 'query'>, name: string): Promise<boolean> {
  const key = createHash('sha256').update(`latchkey ${name}`).digest().readBigInt64BE().toString();
  const [row] = await connection.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [
    key,
  ]);
  return row?.locked === true;
}

/** See `Database.withoutLimits`. */
export async function onOwnConnection<T>(url: string, work: Work<T>): Promise<T> {
  const client = new pg.Client({
    ...CONNECTION_SETTINGS,
    connectionString: url,
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
  });
  client.on('error', () => {}); // the statement in flight, or the next one, fails with it
  try {
    await client.connect();
    const query: Queryable['query'] = async (sql, parameters = []) =>
      (await client.query(sql, [...parameters])).rows;
    return await work({ query, write: writingBy(query), afterCommit: (callback) => callback() });
  } catch (error) {
    throw toApplicationError(error);
  } finally {
    // Ending the connection releases the lock, whatever state it is in.
    const timer = setTimeout(() => client.connection.stream.destroy(), GOODBYE_LIMIT_MS);
    await client.end().finally(() => clearTimeout(timer));
  }
}
