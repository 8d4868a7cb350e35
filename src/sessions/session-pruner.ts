import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../http/logger.js';

/** How long a session's row is kept after it ended or expired: its device counts as known for that time. */
export const KEPT_DAYS = 30;
const EVERY_MILLISECONDS = 10 * 60_000;
const BATCH_ROWS = 1000;
const PAUSE_MILLISECONDS = 50;

/** Deletes sessions that are long over, with their credentials: one node at a time, in small batches that block no sign-in. */
@Injectable()
export class SessionPruner implements OnModuleInit, OnApplicationShutdown {
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

  /** Prunes all that is due unless another node is at it. @returns the number of sessions deleted. */
  async prune(): Promise<number> {
    return (await this.database.tryAdvisoryLock('prune-sessions', () => this.deleteBatches())) ?? 0;
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
      this.logger.warn({ err: error }, 'pruning of old sessions failed; it is tried again later');
    }
  }

  private async deleteBatches(): Promise<number> {
    let total = 0;
    for (let rows = BATCH_ROWS; rows === BATCH_ROWS && !this.stopping;) {
      rows = await this.deleteBatch();
      total += rows;
      if (rows > 0) {
        this.logger.info({ deleted: total }, 'pruned old sessions');
        await sleep(PAUSE_MILLISECONDS);
      }
    }
    return total;
  }

  /** Each half walks its own index from the oldest row on, so that a batch costs the same however many rows there are. */
  private async deleteBatch(): Promise<number> {
    const rows = await this.database.query(
      `DELETE FROM sessions WHERE id IN (
         (SELECT id FROM sessions WHERE expires_at < now() - make_interval(days => $1) ORDER BY expires_at LIMIT $2)
         UNION
         (SELECT id FROM sessions WHERE ended_at < now() - make_interval(days => $1) ORDER BY ended_at LIMIT $2))
       RETURNING id`,
      [KEPT_DAYS, BATCH_ROWS / 2],
    );
    return rows.length;
  }
}
