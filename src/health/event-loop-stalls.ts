import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { LOGGER, type Logger } from '../http/logger.js';

const TICK_MILLISECONDS = 100;
/** A stall of 500 ms makes a tick at least that late, wherever between two ticks it begins. */
const LATE_MILLISECONDS = 400;
/** How long a stall counts after its end: long enough to be seen, shorter than the time between two probes. */
const RECENT_MILLISECONDS = 1_000;

/**
 * Notices that the event loop has stood still for half a second, by a timer that comes late; requests cost nothing for it. Password
 * hashes run in other threads and do not make it late. In production only: elsewhere debuggers and tests stop the loop on purpose.
 */
@Injectable()
export class EventLoopStalls implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  /** Nothing is late before the first one: the work of the start is no stall. */
  private lastTick = Infinity;
  private lastStall = -Infinity;

  constructor(
    private readonly config: AppConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Whether the loop has stood still a moment ago. */
  get isRecent(): boolean {
    return performance.now() - this.lastStall < RECENT_MILLISECONDS;
  }

  onApplicationBootstrap(): void {
    if (!this.config.isProduction) return;
    this.timer = setInterval(() => this.tick(), TICK_MILLISECONDS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const now = performance.now();
    const late = now - this.lastTick - TICK_MILLISECONDS;
    this.lastTick = now;
    if (late < LATE_MILLISECONDS) return;
    this.lastStall = now;
    this.logger.warn({ milliseconds: Math.round(late) }, 'the event loop stood still');
  }
}
