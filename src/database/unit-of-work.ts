import { Problem } from '../http/problem.js';
import { isPlanOutOfDate, isReadOnly, toApplicationError, unavailable } from './database-errors.js';
import { PooledClient } from './pooled-client.js';

/** A connection of the pool. There is none to be had when the database is not there, or when all are taken for too long. */
export async function borrow<T>(connect: () => Promise<T>): Promise<T & PooledClient> {
  let client: T;
  try {
    client = await connect();
  } catch (error) {
    throw unavailable(error);
  }
  if (client instanceof PooledClient) return client;
  throw new TypeError('this data source was not made by createDataSource()');
}

/** Errors come out as the application sees them, but for those that `isRaw` wants as they are. */
export async function unitOfWork<T>(
  client: PooledClient,
  deadline: number,
  unit: {
    work: () => Promise<T>;
    release: () => unknown;
    isRaw?: (error: unknown) => boolean;
    /** Is told why the connection was lost. */
    onLost: (reason: Error) => void;
  },
): Promise<T> {
  try {
    client.deadline = deadline;
    return await unit.work();
  } catch (error) {
    if (client.lost !== null) unit.onLost(client.lost);
    // Whatever fails on a lost connection, fails because of that.
    if (client.lost !== null && !(error instanceof Problem)) throw unavailable(client.lost);
    // A replica that has taken the primary's place: the next connection may find the new one.
    if (isReadOnly(error)) client.discard(new Error('the server is read-only'));
    if (isPlanOutOfDate(error)) client.discard(new Error('a prepared statement is out of date'));
    throw unit.isRaw?.(error) ? error : toApplicationError(error);
  } finally {
    client.deadline = Infinity;
    await unit.release();
  }
}
