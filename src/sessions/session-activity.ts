import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../http/logger.js';
import type { SessionId } from '../principal/principal.js';
import type { SessionRecord } from './session-record.js';

const FLUSH_MILLISECONDS = 1000;
/** More sessions than this become due within a second only under attack; what is left out is due again at its next request. */
const MAX_PENDING = 10_000;

/**
 * Moves `last_seen_at` and the idle end of sessions that are being used: outside the request, in one statement a second, and
 * for each session at most every min(60 s, idle time / 10).
 */
@Injectable()
export class SessionActivity implements OnModuleInit, OnApplicationShutdown {
  private readonly pending = new Map<SessionId, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly config: AppConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => void this.flush(), FLUSH_MILLISECONDS).unref();
  }

  /** Notes that a request of this session was accepted, if that is due. Costs no I/O. */
  seen({ id, activityDueIn }: SessionRecord): void {
    if (activityDueIn <= 0) this.note(id);
  }

  /** Notes that a session was used just now. Costs no I/O. */
  note(id: SessionId): void {
    if (this.pending.has(id) || this.pending.size >= MAX_PENDING) return;
    this.pending.set(id, performance.now());
  }

  /** Writes what was noted. What cannot be written now is kept for the next time. */
  async flush(): Promise<void> {
    if (this.pending.size === 0) return;
    const batch = [...this.pending];
    this.pending.clear();
    const now = performance.now();
    try {
      // idle_expires_at - last_seen_at is the idle time that the session was started with: it needs no column of its own.
      await this.database.query(
        `UPDATE sessions s
         SET last_seen_at = seen.at, idle_expires_at = seen.at + (s.idle_expires_at - s.last_seen_at)
         FROM (SELECT id, now() - make_interval(secs => age) AS at FROM unnest($1::uuid[], $2::float8[]) AS t(id, age)) AS seen
         WHERE s.id = seen.id AND s.ended_at IS NULL AND s.idle_expires_at > seen.at AND s.last_seen_at < seen.at`,
        [batch.map(([id]) => id), batch.map(([, at]) => (now - at) / 1000)],
      );
    } catch (error) {
      for (const [id, at] of batch) if (!this.pending.has(id)) this.pending.set(id, at);
      this.logger.warn(
        { err: error, sessions: batch.length },
        'session activity could not be written; it is kept',
      );
    }
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }
}
