import { Inject, Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database } from '../database/database.js';
import { Pruner } from '../database/pruner.js';
import { LOGGER, type Logger } from '../http/logger.js';

const BATCH_ROWS = 1000;

/** Deletes audit events older than `AUDIT_RETENTION`. Nothing else can delete any. */
@Injectable()
export class AuditPruner extends Pruner {
  protected readonly pruning = {
    lock: 'prune-audit',
    what: 'old audit events',
    everyMilliseconds: 60 * 60_000,
    batchRows: BATCH_ROWS,
    deletions: [() => this.deleteBatch()],
  };

  constructor(
    database: Database,
    private readonly config: AppConfig,
    @Inject(LOGGER) logger: Logger,
  ) {
    super(database, logger);
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
