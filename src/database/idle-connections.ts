import type pg from 'pg';
import { PooledClient, StatementTimeout } from './pooled-client.js';

/**
 * The connections of a pool that nobody is using. When packets vanish on the way (a cable, a firewall that has forgotten, an
 * address that has moved), no connection is told: each would be lent out once more, and cost a request its 2 s.
 */
export class IdleConnections {
  private readonly idle = new Set<PooledClient>();

  constructor(pool: pg.Pool) {
    pool.on('acquire', (client) => client instanceof PooledClient && this.idle.delete(client));
    pool.on('release', (_, client) => client instanceof PooledClient && this.idle.add(client));
    pool.on('remove', (client) => client instanceof PooledClient && this.idle.delete(client));
  }

  /** One that was in use is lost: when that was for silence, those that lie idle are given up with it. */
  siblingLost(reason: Error): void {
    if (!(reason instanceof StatementTimeout) || !reason.isSilence) return;
    for (const client of this.idle) client.discard(new Error('another connection got no answer'));
    this.idle.clear();
  }
}
