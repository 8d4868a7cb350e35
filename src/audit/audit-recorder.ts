import { Injectable } from '@nestjs/common';
import { isRetryable } from '../database/database-errors.js';
import { SecurityEvents } from '../events/security-events.js';
import { Problem } from '../http/problem.js';
import { AuditCounter } from './audit-counter.js';
import { auditEntry } from './audit-entry.js';
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
      if (on) return appendAudit(on, [entry], asUnavailable);
      const account = 'account' in event ? event.account : [entry.userId, entry.sessionId].join(' ');
      return counter.count(entry, account);
    });
  }
}

function asUnavailable(error: unknown): unknown {
  // The transaction as a whole may succeed when it is run again.
  return error instanceof Problem || isRetryable(error)
    ? error
    : new Problem('unavailable', { cause: error });
}
