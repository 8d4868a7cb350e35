import pg from 'pg';
import { PooledClient } from './pooled-client.js';

/** How a {@link SidePool} is made. */
export interface SidePoolParts {
  /** Those of the pool that it stands beside, asked for with the first query. */
  readonly settings: () => pg.PoolConfig;
  readonly size: number;
  /** What a query may take, waiting for a connection included. */
  readonly limitMilliseconds: number;
  /** The name under which the server keeps the plan of a statement. */
  readonly nameOf: (sql: string) => string | undefined;
}

/**
 * A few connections beside the pool of the requests, for work that must neither wait for that pool nor hold it up, and that is
 * given up soon. Each query commits by itself.
 */
export class SidePool {
  private opened: pg.Pool | undefined;

  constructor(private readonly parts: SidePoolParts) {}

  /** The rows of one statement. Rejects with the driver's error, within the limit. */
  async query<T>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
    const deadline = performance.now() + this.parts.limitMilliseconds;
    const client = await this.pool.connect();
    if (!(client instanceof PooledClient))
      throw new TypeError('this pool was not made by createDataSource()');
    client.deadline = deadline;
    try {
      const rows = await client.rows<T>(sql, parameters, this.parts.nameOf(sql));
      client.deadline = Infinity;
      client.release();
      return rows;
    } catch (error) {
      // Whatever it was, the server may have become a replica, which this connection would never find out.
      client.release(true);
      throw client.lost ?? error;
    }
  }

  private get pool(): pg.Pool {
    if (this.opened) return this.opened;
    const { settings, size: max, limitMilliseconds: connectionTimeoutMillis } = this.parts;
    this.opened = new pg.Pool({ ...settings(), max, connectionTimeoutMillis });
    // An idle connection that is lost is nobody's business: the next query opens another.
    this.opened.on('error', () => undefined);
    return this.opened;
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await this.opened?.end();
  }
}
