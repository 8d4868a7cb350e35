import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { Pruner } from '../database/pruner.js';
import { LOGGER, type Logger } from '../http/logger.js';

/** How long a session's row is kept after it ended or expired: its device counts as known for that time. */
export const KEPT_DAYS = 30;
const BATCH_ROWS = 1000;

/** Deletes sessions that are long over, with their credentials. */
@Injectable()
export class SessionPruner extends Pruner {
  protected readonly pruning = {
    lock: 'prune-sessions',
    what: 'old sessions',
    everyMilliseconds: 10 * 60_000,
    batchRows: BATCH_ROWS,
    deletions: [() => this.deleteBatch()],
  };

  constructor(database: Database, @Inject(LOGGER) logger: Logger) {
    super(database, logger);
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
