import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../http/logger.js';
import type { SessionId } from '../principal/principal.js';
import type { SessionRecord } from './session-record.js';

const FLUSH_MILLISECONDS = 1000;
/** More sessions than this become due within a second only under attack; what is left out is due again at its next request. */
const MAX_PENDING = 10_000;

/** A session that was used, and by the credential of which strategy. */
interface Use {
  readonly id: SessionId;
  readonly strategy: string;
  /** When: `performance.now()`. */
  readonly at: number;
}

/**
 * Moves `last_seen_at` and the idle end of sessions that are being used, and `last_used_at` of the credential that showed them:
 * outside the request, in batches, and for each credential at most every min(60 s, idle time / 10).
 */
@Injectable()
export class SessionActivity implements OnModuleInit, OnApplicationShutdown {
  /** By strategy and session. */
  private readonly pending = new Map<string, Use>();
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly config: AppConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => void this.flush(), FLUSH_MILLISECONDS).unref();
  }

  /** Notes that a request of this session was accepted, if that is due. Costs no I/O. */
  seen({ id, activityDueIn }: SessionRecord, strategy: string): void {
    if (activityDueIn <= 0) this.note(id, strategy);
  }

  /** Notes that a session was used just now. Costs no I/O. */
  note(id: SessionId, strategy: string): void {
    const key = `${strategy} ${id}`;
    if (this.pending.has(key) || this.pending.size >= MAX_PENDING) return;
    this.pending.set(key, { id, strategy, at: performance.now() });
  }

  /** Writes what was noted, after what is being written. What cannot be written now is kept for the next time. */
  flush(): Promise<void> {
    this.flushing = this.flushing.then(() => this.flushPending());
    return this.flushing;
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  private async flushPending(): Promise<void> {
    if (this.pending.size === 0) return;
    const batch = [...this.pending];
    this.pending.clear();
    const now = performance.now();
    const ids = batch.map(([, { id }]) => id);
    const strategies = batch.map(([, { strategy }]) => strategy);
    const ages = batch.map(([, { at }]) => (now - at) / 1000);
    try {
      // idle_expires_at - last_seen_at is the idle time that the session was started with: it needs no column of its own.
      await this.database.query(
        `UPDATE sessions s
         SET last_seen_at = seen.at, idle_expires_at = seen.at + (s.idle_expires_at - s.last_seen_at)
         FROM (SELECT id, now() - make_interval(secs => min(age)) AS at
               FROM unnest($1::uuid[], $2::float8[]) AS t(id, age) GROUP BY id) AS seen
         WHERE s.id = seen.id AND s.ended_at IS NULL AND s.idle_expires_at > seen.at AND s.last_seen_at < seen.at`,
        [ids, ages],
      );
      // A row that somebody else is changing is being used or taken away: neither needs this, and nobody waits for anybody.
      await this.database.query(
        `UPDATE credentials c SET last_used_at = seen.at
         FROM (SELECT d.session_id, d.strategy, now() - make_interval(secs => t.age) AS at
               FROM unnest($1::uuid[], $2::text[], $3::float8[]) AS t(id, strategy, age)
               JOIN credentials d ON d.session_id = t.id AND d.strategy = t.strategy FOR UPDATE OF d SKIP LOCKED) AS seen
         WHERE c.session_id = seen.session_id AND c.strategy = seen.strategy AND c.last_used_at < seen.at`,
        [ids, strategies, ages],
      );
    } catch (error) {
      for (const [key, use] of batch) if (!this.pending.has(key)) this.pending.set(key, use);
      this.logger.warn(
        { err: error, sessions: batch.length },
        'session activity could not be written; it is kept',
      );
    }
  }
}
