import type { SessionView, UserView } from '../principal/authentication.js';
import type { SessionId, UserId } from '../principal/principal.js';

/** Whether a session still stands for its user. `ended` also covers a disabled or deleted user. */
export type SessionState = 'live' | 'ended' | 'expired';

/** A session joined with its user: all that a request needs, from one statement. */
export interface SessionRecord extends SessionView {
  readonly state: SessionState;
  readonly authenticatedAt: Date;
  readonly factors: readonly string[];
  /** Signed in with `remember: true`: the cookie outlives the browser, the limits are the longer ones. */
  readonly remembered: boolean;
  readonly user: UserView;
  /** How often at most the use of the session is noted: every min(60 s, idle time / 10), in milliseconds. */
  readonly activityInterval: number;
  /** Milliseconds from the reading until the use of the session is due to be noted; negative when it is overdue. */
  readonly activityDueIn: number;
  /** When the credential that led here ends by itself, if it does before the session. Set by the strategy. */
  readonly credentialExpiresAt?: Date;
}

/** A row of {@link SESSION_COLUMNS}. */
export interface SessionRow {
  id: SessionId;
  created_at: Date;
  expires_at: Date;
  idle_expires_at: Date;
  authenticated_at: Date;
  factors: string[];
  last_seen_at: Date;
  remembered: boolean;
  state: SessionState;
  read_at: Date;
  user_id: UserId;
  email: string;
  name: string | null;
  roles: string[];
  user_created_at: Date;
  user_updated_at: Date;
  /** When the credential that led to the session was last noted as used, where one did. */
  used_at?: Date;
}

/** The select list behind a {@link SessionRecord}; `s` is the session, `u` its user. */
export const SESSION_COLUMNS = `
  s.id, s.created_at, s.expires_at, s.idle_expires_at, s.authenticated_at, s.factors, s.last_seen_at, s.remembered,
  CASE WHEN s.ended_at IS NOT NULL OR u.disabled_at IS NOT NULL THEN 'ended'
       WHEN least(s.expires_at, s.idle_expires_at) <= now() THEN 'expired'
       ELSE 'live' END AS state,
  now() AS read_at,
  u.id AS user_id, u.email, u.name, u.roles, u.created_at AS user_created_at, u.updated_at AS user_updated_at`;

/** The same for a session that was found by its credential `c`. */
export const SESSION_COLUMNS_BY_CREDENTIAL = `${SESSION_COLUMNS}, c.last_used_at AS used_at`;

/** The condition under which a session `s` may still be used, its user aside. */
export const SESSION_IS_LIVE = `s.ended_at IS NULL AND s.expires_at > now() AND s.idle_expires_at > now()`;

/** Reads a row of {@link SESSION_COLUMNS}. */
export function sessionRecord(row: SessionRow): SessionRecord {
  const interval = activityInterval(row);
  const { last_seen_at: seenAt, used_at: usedAt = seenAt } = row;
  // Of two credentials in turn, the one must not make the other look unused.
  const notedAt = Math.min(seenAt.getTime(), usedAt.getTime());
  return {
    id: row.id,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    idleExpiresAt: row.idle_expires_at,
    state: row.state,
    authenticatedAt: row.authenticated_at,
    factors: row.factors,
    lastSeenAt: row.last_seen_at,
    remembered: row.remembered,
    readAt: row.read_at,
    readAtMonotonic: performance.now(),
    activityInterval: interval,
    activityDueIn: interval - (row.read_at.getTime() - notedAt),
    user: {
      id: row.user_id,
      email: row.email,
      name: row.name,
      roles: row.roles,
      createdAt: row.user_created_at,
      updatedAt: row.user_updated_at,
    },
  };
}

const MAX_ACTIVITY_INTERVAL_MILLISECONDS = 60_000;

/** How often at most the use of a session is noted. The idle time that it was started with is the distance of the two. */
function activityInterval({ idle_expires_at, last_seen_at }: SessionRow): number {
  return Math.min(
    MAX_ACTIVITY_INTERVAL_MILLISECONDS,
    (idle_expires_at.getTime() - last_seen_at.getTime()) / 10,
  );
}

/** How long a cookie of the session may live: whole seconds to the absolute end, or null for a cookie that ends with the browser. */
export function cookieSeconds({ remembered, expiresAt, readAt }: SessionRecord): number | null {
  return remembered ? Math.floor((expiresAt.getTime() - readAt.getTime()) / 1000) : null;
}
