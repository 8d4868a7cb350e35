import type { SessionRecord } from '../sessions/session-record.js';
import type { CredentialBody } from './auth-strategy.js';

/** The body of signup, login, refresh and exchange (contract section 4). */
export function signedInAnswer({
  session,
  strategy,
  body,
}: {
  session: SessionRecord;
  strategy: string;
  body: CredentialBody;
}) {
  const { id, createdAt, expiresAt, user } = session;
  // Near its absolute end, activity moves the idle end of the row beyond it.
  const idleExpiresAt = session.idleExpiresAt < expiresAt ? session.idleExpiresAt : expiresAt;
  return { user, strategy, session: { id, createdAt, expiresAt, idleExpiresAt }, ...body };
}
