import type { Queryable } from '../database/database.js';
import type { SessionRecord } from '../sessions/session-record.js';
import type { HttpExchange } from './http-exchange.js';

/** The fields that a strategy adds to the answer of signup, login, refresh and exchange (contract section 4). */
export interface CredentialBody {
  readonly csrfToken?: string;
  readonly accessToken?: string;
  readonly tokenType?: 'Bearer';
  /** Seconds until the access token expires. */
  readonly expiresIn?: number;
  readonly refreshToken?: string;
}

/** A credential that is handed out for a session which is running already, beside what its client holds (exchange). */
export interface Addition {
  /** A cookie was shown: nothing longer-lived than an access token may go where a script could keep it. */
  readonly cookiesOnly: boolean;
}

/** For what a credential is handed out. Of a session that goes on, in place of the one that it held: neither of these. */
export interface Issuance {
  /**
   * At a sign-in, the transaction that starts the session: what is kept of the credential is written in it (`CredentialStore.put`), so
   * that neither is there without the other. It may run again, and then `issue` does.
   */
  readonly on?: Queryable | undefined;
  readonly addition?: Addition;
}

/** How a signed-in client proves who it is on each request. The only place that knows about cookies or tokens. */
export interface AuthStrategy {
  /** The name in `AUTH_MODE`, in answers and in `credentials.strategy`. */
  readonly name: string;
  /** The browser sends this credential unasked, so CSRF applies to it. */
  readonly ambient: boolean;
  /**
   * The raw credential of this kind in the request, or null when there is none. Costs no I/O.
   * @throws Problem `credential_conflict` when there are two that contradict each other.
   */
  credentialIn(exchange: HttpExchange): string | null;
  /**
   * The live session that the credential in the request stands for.
   * @throws CredentialRejected when it is bad, ended or expired; Problem `unavailable` when nobody can tell.
   */
  authenticate(exchange: HttpExchange): Promise<SessionRecord>;
  /**
   * Hands the client its credential: a new one for a session that is being started or whose credential is replaced. As an
   * `addition`, whoever asks is told the same: `CredentialStore.obtainSecret` or `obtain`. @throws CredentialRejected
   */
  issue(session: SessionRecord, exchange: HttpExchange, issuance?: Issuance): Promise<CredentialBody>;
  /** Takes the credential back from the client: expires the cookies that it was sent. */
  discard(exchange: HttpExchange): void;
}

/** What a refresh hands out: the session that goes on, and the new credential for it. */
export interface Refreshed {
  readonly session: SessionRecord;
  readonly body: CredentialBody;
}

/** The optional ability of a strategy to renew its credential by a second, longer-lived one. */
export interface RefreshableStrategy extends AuthStrategy {
  /** The refresh credential in the request and how it came, or null. Costs no I/O. */
  refreshCredentialIn(exchange: HttpExchange): { readonly token: string; readonly ambient: boolean } | null;
  /** The live session that the refresh credential stands for, without spending it. Throws like `authenticate`. */
  authenticateRefresh(exchange: HttpExchange): Promise<SessionRecord>;
  /** The session of a refresh credential that `refresh` would take, and it is not spent. Throws, and ends the session, like `refresh`. */
  proveRefresh(exchange: HttpExchange): Promise<SessionRecord>;
  /**
   * Judges, before anything is done, where a sign-in asks the refresh credential to be put.
   * @throws Problem `validation_failed` when the client may not have it there.
   */
  checkTransport(exchange: HttpExchange): void;
  /** Spends the refresh credential. @throws CredentialRejected, also with `refresh_reused`. */
  refresh(exchange: HttpExchange): Promise<Refreshed>;
}

/** Whether a strategy can refresh. */
export function isRefreshable(strategy: AuthStrategy): strategy is RefreshableStrategy {
  return 'refresh' in strategy;
}

/** Why a credential was refused: the `code` of the 401. */
export type RejectionCode =
  'credential_missing' | 'credential_invalid' | 'credential_expired' | 'refresh_reused';

/** A credential that does not (or no longer) stand for anybody. Becomes a 401; an outage never does. */
export class CredentialRejected extends Error {
  constructor(
    readonly code: RejectionCode,
    /** For the client: what to do about it. Never says why a token failed to verify. */
    readonly detail?: string,
  ) {
    super(code);
  }
}
