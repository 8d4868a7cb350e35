import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../http/logger.js';

const EVERY_MILLISECONDS = 60 * 60_000;
const BATCH_ROWS = 1000;
const PAUSE_MILLISECONDS = 50;

/** Deletes audit events older than `AUDIT_RETENTION`: one node at a time, in small batches. Nothing else can delete any. */
@Injectable()
export class AuditPruner implements OnModuleInit, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private stopping = false;
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly config: AppConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    // Nodes that start together do not all ask at once.
    this.timer = setInterval(
      () => void (this.running = this.tryPrune()),
      EVERY_MILLISECONDS * (0.9 + Math.random() * 0.2),
    ).unref();
  }

  /** Prunes all that is due unless another node is at it. @returns the number of events deleted. */
  async prune(): Promise<number> {
    return (await this.database.tryAdvisoryLock('prune-audit', () => this.deleteBatches())) ?? 0;
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
      this.logger.warn({ err: error }, 'pruning of old audit events failed; it is tried again later');
    }
  }

  private async deleteBatches(): Promise<number> {
    let total = 0;
    for (let rows = BATCH_ROWS; rows === BATCH_ROWS && !this.stopping;) {
      rows = await this.deleteBatch();
      total += rows;
      if (rows > 0) {
        this.logger.info({ deleted: total }, 'pruned old audit events');
        await sleep(PAUSE_MILLISECONDS);
      }
    }
    return total;
  }

  /** The setting, which ends with the transaction, is what the trigger of the table lets a deletion through by. */
  private deleteBatch(): Promise<number> {
    return this.database.transaction(async (tx) => {
      await tx.query(`SELECT set_config('latchkey.audit_retention', 'over', true)`);
      const rows = await tx.query(
        `DELETE FROM audit_events WHERE id IN (
           SELECT id FROM audit_events WHERE at < now() - make_interval(secs => $1) ORDER BY at LIMIT $2)
         RETURNING id`,
        [this.config.audit.retentionSeconds, BATCH_ROWS],
      );
      return rows.length;
    });
  }
}
