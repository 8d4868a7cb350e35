import type { Act } from '../events/act.js';
import type { SecurityEvent } from '../events/security-events.js';

/** A row of `audit_events`, but for its id and time. */
export interface AuditEntry {
  readonly type: SecurityEvent['type'];
  /** A user id, `cli`, `system`, or null: nobody has proven who they are. */
  readonly actor: string | null;
  /** Whom it is about. */
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
  /** What only this type of event has. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Sorts the fields of any event into the columns; what has no column goes into the details. */
export function auditEntry(event: SecurityEvent, act: Act): AuditEntry {
  const { type, ...fields } = event;
  const {
    userId = null,
    sessionId = null,
    address = act.address,
    userAgent = act.userAgent,
    account: _counted,
    ...details
  }: Partial<Record<string, unknown>> = fields;
  return {
    type,
    actor: act.actor,
    userId: text(userId),
    sessionId: text(sessionId),
    ip: text(address),
    userAgent: text(userAgent),
    requestId: act.requestId,
    details,
  };
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
