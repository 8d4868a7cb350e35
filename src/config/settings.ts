/** `NODE_ENV`. */
export type Environment = 'development' | 'test' | 'production';

/** One entry of `APP_SECRET`. The bytes themselves cannot be read, printed or serialised. */
export interface AppSecret {
  /** Stable short name, safe to log and to store: 8 hex digits. Equal secrets have equal ids. */
  readonly id: string;
  /**
   * HKDF-SHA256 (RFC 5869) subkey for one purpose; the only way to use a secret.
   * @param label what the key is for; another label gives an unrelated key
   * @param lengthBytes 1 to 8160, default 32
   * @param salt HKDF salt, default none
   */
  derive(label: string, lengthBytes?: number, salt?: Buffer): Buffer;
}

/** A rate limit such as `5/5m`. */
export interface Rate {
  /** How many are allowed within the window, at least 1. */
  readonly points: number;
  readonly windowSeconds: number;
}

export interface ServerSettings {
  /** TCP port to listen on; 0 (outside production) lets the system choose one. */
  readonly port: number;
  /** Address to listen on. */
  readonly host: string;
  /** What browsers see: scheme, host and port, lower-cased, no slash at the end, default port left out. */
  readonly publicOrigin: string;
  /** True when `publicOrigin` is https: cookies are Secure and `__Host-`. */
  readonly isHttps: boolean;
  /** Origins of browser apps elsewhere, lower-cased, in the form in which browsers send them. */
  readonly corsOrigins: readonly string[];
  /** Number of proxies in front, or their addresses as IPs and CIDR blocks. */
  readonly trustProxy: number | readonly string[];
  /** Whether `/docs` and `/openapi.json` are served. */
  readonly docs: boolean;
  /** TCP port for Prometheus; null: no metrics. 0 lets the system choose one. */
  readonly metricsPort: number | null;
}

export interface AuthSettings {
  /** Names of the enabled strategies; the first is the primary. */
  readonly mode: readonly [string, ...string[]];
  readonly signup: 'open' | 'closed';
}

export interface DatabaseSettings {
  /** Null: the embedded PostgreSQL in `dataDir` (never in production). May hold a password: do not log it. */
  readonly url: string | null;
  /** `DATABASE_DIRECT_URL`; null when not set, then `url` serves. May hold a password: do not log it. */
  readonly directUrl: string | null;
  readonly poolSize: number;
  /** Whether pending migrations run at start. */
  readonly migrate: boolean;
}

/** Lifetimes hold in every mode. Idle is never longer than absolute. */
export interface SessionSettings {
  readonly idleSeconds: number;
  readonly absoluteSeconds: number;
  readonly rememberIdleSeconds: number;
  readonly rememberAbsoluteSeconds: number;
  readonly maxPerUser: number;
}

export interface CookieSettings {
  /** `none` only where `publicOrigin` is https. */
  readonly sameSite: 'strict' | 'lax' | 'none';
}

export interface CsrfSettings {
  /** `always`: the token is demanded whatever the origin headers say. */
  readonly token: 'auto' | 'always';
}

export interface JwtSettings {
  readonly algorithm: 'ES256' | 'RS256' | 'PS256';
  /** Lifetime of an access token; below `session.idleSeconds` where the jwt strategy is enabled. */
  readonly accessSeconds: number;
  /** How long a rotated refresh token still gets its successor: at most 60, below `accessSeconds`. */
  readonly refreshGraceSeconds: number;
  /** Browser-like origins that may hold the refresh token themselves. */
  readonly refreshBodyOrigins: readonly string[];
  /** `iss` (RFC 7519). */
  readonly issuer: string;
  /** `aud` (RFC 7519). */
  readonly audience: string;
  readonly keyRotationSeconds: number;
  /** `aud` of forward-auth tokens, never equal to `audience`. */
  readonly forwardAuthAudience: string;
}

export interface PasswordSettings {
  /** In code points, 8 to 64. */
  readonly minLength: number;
  /** Hashes computed at the same time, at least 1. */
  readonly hashConcurrency: number;
  /** Hashes that may wait; more are refused. 0: none may wait. */
  readonly hashQueue: number;
  /** What is added to the priority of the threads that hash, 0 to 19 as nice(2) counts: 19 is the lowest. */
  readonly hashNice: number;
}

export interface ThrottleSettings {
  /** Never false in production. */
  readonly enabled: boolean;
  readonly loginFailuresPerAccount: Rate;
  readonly loginFailuresPerIp: Rate;
  readonly loginsPerIp: Rate;
  readonly signupsPerIp: Rate;
  readonly refusedRefreshesPerIp: Rate;
}

export interface AuditSettings {
  readonly retentionSeconds: number;
}

export interface LogSettings {
  readonly level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  readonly format: 'pretty' | 'json';
}
