import type { Queryable } from '../database/database.js';
import type { SessionId } from '../principal/principal.js';
import { type SessionRecord, type SessionRow, sessionRecord } from './session-record.js';

/** What a client holds for a session: one row per session and strategy. */
export interface Credential {
  readonly sessionId: SessionId;
  readonly strategy: string;
  /** How many times a rotating credential has rotated. */
  readonly counter: number;
  /** How many times it was handed out anew: at each issue for a session that already had one. */
  readonly generation: number;
  /** 16 random bytes of this credential alone, mixed into whatever is derived for it. */
  readonly seed: Buffer;
  /** The `AppSecret.id` under which the newest value was made. */
  readonly secretId: string | null;
}

/** What to keep of a credential that is handed out. */
export interface NewCredential {
  readonly sessionId: SessionId;
  readonly strategy: string;
  /** SHA-256 of the value, for strategies whose value is looked up. */
  readonly secretHash?: Buffer;
  readonly secretId?: string;
  /** The transaction that starts the session, at a sign-in. */
  readonly on?: Queryable | undefined;
}

/** A credential whose value is looked up by a hash, and is to be the same whoever asks for it. */
export interface SharedCredential {
  readonly sessionId: SessionId;
  readonly strategy: string;
  /** SHA-256 of the value that the strategy makes of a secret: what the value will be looked up by. */
  readonly hashOf: (secret: string) => Buffer;
}

/** Who did something, as far as an address and a user agent tell. */
export interface Fingerprint {
  readonly address: string;
  readonly userAgent: string | null;
}

/** What a credential becomes when it is spent. */
export interface Rotation {
  readonly counter: number;
  readonly secretId: string;
  readonly device: Fingerprint;
}

/** A credential together with the session that it belongs to, whatever that one's state. */
export interface CredentialWithSession {
  readonly credential: Credential;
  readonly session: SessionRecord;
  /** How long ago the current value was made, by the database's clock. */
  readonly rotatedSecondsAgo: number;
  /** Who had it made: at the last rotation, or else at sign-in. */
  readonly rotatedBy: Fingerprint;
}

/** A credential as the table has it. */
export interface CredentialRow {
  session_id: SessionId;
  strategy: string;
  counter: string;
  generation: number;
  seed: Buffer;
  secret_id: string | null;
}

/** The same, with its session. */
export type CredentialWithSessionRow = CredentialRow &
  SessionRow & { rotated_seconds_ago: number; by_ip: string; by_user_agent: string | null };

/** The columns of a {@link CredentialRow}, of credentials `c`. */
export const CREDENTIAL_COLUMNS = 'c.session_id, c.strategy, c.counter, c.generation, c.seed, c.secret_id';

/** What a row says. */
export function credential(row: CredentialRow): Credential {
  return {
    sessionId: row.session_id,
    strategy: row.strategy,
    counter: Number(row.counter),
    generation: row.generation,
    seed: row.seed,
    secretId: row.secret_id,
  };
}

/** What a row with its session says. */
export function credentialWithSession(row: CredentialWithSessionRow): CredentialWithSession {
  return {
    credential: credential(row),
    session: sessionRecord(row),
    rotatedSecondsAgo: row.rotated_seconds_ago,
    rotatedBy: { address: row.by_ip, userAgent: row.by_user_agent },
  };
}
