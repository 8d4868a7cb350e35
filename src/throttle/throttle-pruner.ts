import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { Pruner } from '../database/pruner.js';
import { LOGGER, type Logger } from '../http/logger.js';
import { KNOWN_DAYS } from './known-addresses.js';

const BATCH_ROWS = 1000;

/** Deletes counters whose window has ended and addresses that are known no longer. */
@Injectable()
export class ThrottlePruner extends Pruner {
  protected readonly pruning = {
    lock: 'prune-throttle',
    what: 'old rate limit counters',
    everyMilliseconds: 5 * 60_000,
    batchRows: BATCH_ROWS,
    deletions: [() => this.deleteCounters(), () => this.deleteAddresses()],
  };

  constructor(database: Database, @Inject(LOGGER) logger: Logger) {
    super(database, logger);
  }

  /** `SKIP LOCKED`: a counter that is being written is not over. */
  private async deleteCounters(): Promise<number> {
    const rows = await this.database.query(
      `DELETE FROM throttle_counters WHERE key IN
         (SELECT key FROM throttle_counters WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING 1`,
      [BATCH_ROWS],
    );
    return rows.length;
  }

  private async deleteAddresses(): Promise<number> {
    const rows = await this.database.query(
      `DELETE FROM known_addresses WHERE (user_id, address_hash) IN
         (SELECT user_id, address_hash FROM known_addresses WHERE last_seen < now() - make_interval(days => $2)
          ORDER BY last_seen LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING 1`,
      [BATCH_ROWS, KNOWN_DAYS],
    );
    return rows.length;
  }
}
