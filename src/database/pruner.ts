import { setTimeout as sleep } from 'node:timers/promises';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { Logger } from '../http/logger.js';
import type { Database } from './database.js';

const PAUSE_MILLISECONDS = 50;

/** What is pruned. */
export interface Pruning {
  /** The name of the advisory lock, which one node holds at a time. */
  readonly lock: string;
  /** In the log: `pruned <what>`. */
  readonly what: string;
  readonly everyMilliseconds: number;
  /** Rows of a full batch: after a smaller one nothing is due any more. */
  readonly batchRows: number;
  /** Each deletes one batch and tells how many rows that were; one after the other. */
  readonly deletions: readonly (() => Promise<number>)[];
}

/** Deletes what is over, now and then: one node at a time, in batches so small that they block nobody, with progress in the log. */
export abstract class Pruner implements OnModuleInit, OnApplicationShutdown {
  protected abstract readonly pruning: Pruning;
  private timer: NodeJS.Timeout | undefined;
  private stopping = false;
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    protected readonly database: Database,
    private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    // Nodes that start together do not all ask at once.
    this.timer = setInterval(
      () => void (this.running = this.tryPrune()),
      this.pruning.everyMilliseconds * (0.9 + Math.random() * 0.2),
    ).unref();
  }

  /** Prunes all that is due unless another node is at it. @returns the number of rows deleted. */
  async prune(): Promise<number> {
    return (await this.database.tryAdvisoryLock(this.pruning.lock, () => this.deleteAll())) ?? 0;
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
      this.logger.warn({ err: error }, `pruning of ${this.pruning.what} failed; it is tried again later`);
    }
  }

  private async deleteAll(): Promise<number> {
    const { what, batchRows, deletions } = this.pruning;
    let total = 0;
    for (const deleteBatch of deletions) {
      for (let rows = batchRows; rows === batchRows && !this.stopping;) {
        rows = await deleteBatch();
        total += rows;
        if (rows === 0) continue;
        this.logger.info({ deleted: total }, `pruned ${what}`);
        await sleep(PAUSE_MILLISECONDS);
      }
    }
    return total;
  }
}
