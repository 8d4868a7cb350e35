import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { HealthIndicatorService } from '@nestjs/terminus';
import { Database } from '../database/database.js';
import { EventLoopStalls } from './event-loop-stalls.js';

/** Whether this node should get requests: its database answers (it was migrated before we listened), it does not stall, and it is not going. */
@Injectable()
export class Readiness implements BeforeApplicationShutdown {
  private closing = false;

  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly database: Database,
    private readonly stalls: EventLoopStalls,
  ) {}

  async isReady() {
    const indicator = this.indicators.check('ready');
    if (this.closing) return indicator.down('shutting down');
    if (this.stalls.isRecent) return indicator.down('the event loop stood still');
    try {
      await this.database.query('SELECT 1');
      return indicator.up();
    } catch {
      return indicator.down('the database does not answer');
    }
  }

  beforeApplicationShutdown(): void {
    this.closing = true;
  }
}
