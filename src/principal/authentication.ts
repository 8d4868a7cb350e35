import type { Principal, SessionId, UserId } from './principal.js';

/** What the outside may see of a user (contract section 4), and all that a handler needs of the caller. */
export interface UserView {
  readonly id: UserId;
  readonly email: string;
  readonly name: string | null;
  readonly roles: readonly string[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** The login session behind a credential, as clients see it. */
export interface SessionView {
  readonly id: SessionId;
  readonly createdAt: Date;
  /** The absolute end. */
  readonly expiresAt: Date;
  /** The end if nothing happens until then. */
  readonly idleExpiresAt: Date;
  readonly lastSeenAt: Date;
  /** The database's time of this reading. All limits are judged by it, never by a node's own clock. */
  readonly readAt: Date;
  /** `performance.now()` of this node when the reading arrived. */
  readonly readAtMonotonic: number;
}

/** The outcome of the authentication guard for one request. */
export interface Authentication {
  readonly principal: Principal;
  readonly user: UserView;
  readonly session: SessionView;
  /** Every live session that the request's credentials stand for: two when a cookie and a token of different logins came. */
  readonly sessionIds: readonly SessionId[];
  /** The sessions whose credential the browser sent unasked: CSRF applies to the request when there is one. */
  readonly ambientSessionIds: readonly SessionId[];
}

/** The request of any HTTP adapter, as far as the caller's identity is concerned. */
export interface AuthenticatedRequest {
  authentication?: Authentication | undefined;
}
