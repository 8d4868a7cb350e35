import type { Database } from '../database/database.js';
import type { PooledClient } from '../database/pooled-client.js';

const CHANNEL = 'latchkey_changes';
const RETRY_MILLISECONDS = 1000;
/** Rings of this node that fall together are one. */
const RING_MILLISECONDS = 2;

/**
 * Rings the other nodes when something has changed, so that they need not wait for their next reading: LISTEN and NOTIFY, after the
 * commit and outside of it (inside, NOTIFY takes a lock that all commits of the cluster share). A lost ring costs 250 ms.
 */
export class FeedWaker {
  private client: PooledClient | undefined;
  private retry: NodeJS.Timeout | undefined;
  private ringing: NodeJS.Timeout | undefined;
  private notified: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly database: Database,
    private readonly wake: () => void,
  ) {}

  /** Begins to listen, now or as soon as the database lets us. */
  start(): void {
    void this.listen();
  }

  /** Tells the other nodes. Never fails: whoever is not reached reads by itself. */
  ring(): void {
    this.ringing ??= setTimeout(() => {
      this.ringing = undefined;
      // One after the other: pg queues statements of one connection only until its next major version.
      this.notified = this.notified.then(() => this.notify());
    }, RING_MILLISECONDS);
  }

  async close(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retry);
    clearTimeout(this.ringing);
    const { client } = this;
    this.client = undefined;
    await this.notified;
    await client?.end();
  }

  private async notify(): Promise<void> {
    try {
      await this.client?.query(`NOTIFY ${CHANNEL}`);
    } catch {
      // They read by themselves within 250 ms.
    }
  }

  private async listen(): Promise<void> {
    const client = this.database.newConnection({ direct: true });
    let own: number | undefined;
    client.on('notification', ({ processId }) => {
      if (processId !== own) this.wake();
    });
    client.once('end', () => this.listenLater(client));
    try {
      await client.connect();
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      own = rows[0]?.pid;
      await client.query(`LISTEN ${CHANNEL}`);
      if (this.stopped) return await client.end();
      this.client = client;
    } catch (error) {
      client.discard(error instanceof Error ? error : new Error('could not listen'));
      this.listenLater(client);
    }
  }

  private listenLater(client: PooledClient): void {
    if (this.client === client) this.client = undefined;
    if (this.stopped || this.client) return;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.listen(), RETRY_MILLISECONDS).unref();
  }
}
