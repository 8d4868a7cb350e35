import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { HealthIndicatorService } from '@nestjs/terminus';
import { Database } from '../database/database.js';

/** Whether this node should get requests: its database answers (it was migrated before we listened), and it is not going. */
@Injectable()
export class Readiness implements BeforeApplicationShutdown {
  private closing = false;

  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly database: Database,
  ) {}

  async isReady() {
    const indicator = this.indicators.check('ready');
    if (this.closing) return indicator.down('shutting down');
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
