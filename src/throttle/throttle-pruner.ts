import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../http/logger.js';
import { KNOWN_DAYS } from './known-addresses.js';

const EVERY_MILLISECONDS = 5 * 60_000;
const BATCH_ROWS = 1000;
const PAUSE_MILLISECONDS = 50;

/** Each takes $1, the size of a batch, and what follows. `SKIP LOCKED`: a counter that is being written is not over. */
const STATEMENTS: readonly (readonly [string, ...unknown[]])[] = [
  [
    `DELETE FROM throttle_counters WHERE key IN
       (SELECT key FROM throttle_counters WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
     RETURNING 1`,
  ],
  [
    `DELETE FROM known_addresses WHERE (user_id, address_hash) IN
       (SELECT user_id, address_hash FROM known_addresses WHERE last_seen < now() - make_interval(days => $2)
        ORDER BY last_seen LIMIT $1 FOR UPDATE SKIP LOCKED)
     RETURNING 1`,
    KNOWN_DAYS,
  ],
];

/** Deletes counters whose window has ended and addresses that are known no longer: one node at a time, in small batches. */
@Injectable()
export class ThrottlePruner implements OnModuleInit, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private stopping = false;
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly database: Database,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    // Nodes that start together do not all ask at once.
    this.timer = setInterval(
      () => void (this.running = this.tryPrune()),
      EVERY_MILLISECONDS * (0.9 + Math.random() * 0.2),
    ).unref();
  }

  /** Prunes all that is due unless another node is at it. @returns the number of rows deleted. */
  async prune(): Promise<number> {
    return (await this.database.tryAdvisoryLock('prune-throttle', () => this.deleteAll())) ?? 0;
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    await this.running;
  }

  private async tryPrune(): Promise<void> {
    try {
      await this.prune();
    } catch (error) {
      this.logger.warn({ err: error }, 'pruning of old rate limit counters failed; it is tried again later');
    }
  }

  private async deleteAll(): Promise<number> {
    let total = 0;
    for (const [sql, ...parameters] of STATEMENTS) {
      for (let rows = BATCH_ROWS; rows === BATCH_ROWS && !this.stopping;) {
        rows = (await this.database.query(sql, [BATCH_ROWS, ...parameters])).length;
        total += rows;
        if (rows === BATCH_ROWS) await sleep(PAUSE_MILLISECONDS);
      }
    }
    return total;
  }
}
