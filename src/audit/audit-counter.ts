import { createHmac } from 'node:crypto';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../http/logger.js';
import { networkOf } from '../http/network-of.js';
import type { AuditEntry } from './audit-entry.js';
import { appendAudit } from './audit-table.js';

const MINUTE_MILLISECONDS = 60_000;
const FLUSH_MILLISECONDS = 2_000;
/** Buckets of this node at a time: about 10 MB. What comes beyond is counted by its type alone. */
const MAX_BUCKETS = 10_000;
const BATCH_ROWS = 500;

interface Bucket {
  readonly entry: AuditEntry;
  readonly minute: number;
  /** What is not written yet. */
  pending: number;
}

/**
 * Events that anybody can cause are written at most once a minute for each type, account and address, with a count, so that
 * strangers cannot fill the disk. The first of a minute is in the database before the request is answered; the others cost no
 * statement, and a crash loses at most two seconds of counting.
 */
@Injectable()
export class AuditCounter implements OnModuleInit, OnApplicationShutdown {
  private readonly key: Buffer;
  private readonly buckets = new Map<string, Bucket>();
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    config: AppConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.key = config.secrets[0].derive('audit-bucket');
  }

  onModuleInit(): void {
    this.timer = setInterval(() => void this.flush(), FLUSH_MILLISECONDS).unref();
  }

  /** @param account whom it is about, as far as counting is concerned */
  async count(entry: AuditEntry, account: string | null): Promise<void> {
    const minute = Math.floor(Date.now() / MINUTE_MILLISECONDS);
    let name = this.nameOf(minute, entry.type, account, entry.ip);
    let counted = entry;
    if (!this.buckets.has(name) && this.buckets.size >= MAX_BUCKETS) {
      name = this.nameOf(minute, entry.type, null, null);
      counted = { ...entry, userId: null, sessionId: null, ip: null, userAgent: null, requestId: null };
    }
    const known = this.buckets.get(name);
    if (known) {
      known.pending += 1;
      return;
    }
    this.buckets.set(name, { entry: counted, minute, pending: 1 });
    await this.write([name]);
  }

  /** Writes what was counted. What cannot be written now is kept for the next time. */
  flush(): Promise<void> {
    this.flushing = this.flushing.then(() => this.flushDue());
    return this.flushing;
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  private async flushDue(): Promise<void> {
    const thisMinute = Math.floor(Date.now() / MINUTE_MILLISECONDS);
    for (const [name, { minute, pending }] of this.buckets) {
      if (pending === 0 && minute < thisMinute) this.buckets.delete(name);
    }
    // In one order on all nodes, so that two that count the same never wait for each other in a circle.
    const due = [...this.buckets].filter(([, { pending }]) => pending > 0).map(([name]) => name);
    due.sort();
    for (let at = 0; at < due.length; at += BATCH_ROWS) {
      if (!(await this.write(due.slice(at, at + BATCH_ROWS)))) return;
    }
  }

  /** A refusal stays one when it cannot be recorded just now: an outage must not turn a 401 or 403 into something else. */
  private async write(names: readonly string[]): Promise<boolean> {
    const taken = names.flatMap((name) => {
      const bucket = this.buckets.get(name);
      if (!bucket || bucket.pending === 0) return [];
      const { entry, pending: count } = bucket;
      bucket.pending = 0;
      return [{ bucket, row: { ...entry, bucket: name, count } }];
    });
    if (taken.length === 0) return true;
    try {
      await appendAudit(
        this.database,
        taken.map(({ row }) => row),
      );
      return true;
    } catch (error) {
      for (const { bucket, row } of taken) bucket.pending += row.count;
      this.logger.warn({ err: error, rows: taken.length }, 'audit could not be written; it is kept');
      return false;
    }
  }

  /** The same on all nodes. Keyed, so that a row does not tell which address without an account was tried. */
  private nameOf(minute: number, type: string, account: string | null, address: string | null): string {
    const network = address === null ? null : networkOf(address);
    return createHmac('sha256', this.key)
      .update(JSON.stringify([minute, type, account, network]))
      .digest('base64url');
  }
}
