import { Injectable } from '@nestjs/common';
import type { Queryable } from '../database/database.js';
import { isRetryable } from '../database/database-errors.js';
import { SecurityEvents } from '../events/security-events.js';
import { Problem } from '../http/problem.js';
import { AuditCounter } from './audit-counter.js';
import { type AuditEntry, auditEntry } from './audit-entry.js';
import { appendAudit } from './audit-table.js';

/**
 * Records every security event, of whatever type: in the transaction that it tells of, so that neither exists without the other
 * (what cannot be recorded does not happen: 503), or counted by the minute where nothing has changed.
 */
@Injectable()
export class AuditRecorder {
  constructor(events: SecurityEvents, counter: AuditCounter) {
    events.subscribe(async (event, on, act) => {
      const entry = auditEntry(event, act);
      if (on) return appendOrFail(on, entry);
      const account = 'account' in event ? event.account : [entry.userId, entry.sessionId].join(' ');
      return counter.count(entry, account);
    });
  }
}

async function appendOrFail(on: Queryable, entry: AuditEntry): Promise<void> {
  try {
    await appendAudit(on, [entry]);
  } catch (error) {
    // The transaction as a whole may succeed when it is run again.
    if (error instanceof Problem || isRetryable(error)) throw error;
    throw new Problem('unavailable', { cause: error });
  }
}
