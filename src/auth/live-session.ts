import type { SessionRecord } from '../sessions/session-record.js';
import { CredentialRejected } from './auth-strategy.js';

/** The session if it is live. @throws CredentialRejected `credential_expired` past a limit, else `credential_invalid`. */
export function liveOrRejected(record: SessionRecord | null): SessionRecord {
  if (record?.state === 'live') return record;
  throw new CredentialRejected(record?.state === 'expired' ? 'credential_expired' : 'credential_invalid');
}
