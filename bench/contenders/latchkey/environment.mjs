/** What browsers see, as in any production: https, so that cookies are Secure and `__Host-`. */
export const ORIGIN = 'https://auth.bench.example';

/** V8 takes no more than 16 MiB by itself up to Node 22. */
const IS_LARGE_BY_ITSELF = Number(process.versions.node.split('.')[0]) >= 24;

/** What the image sets for the process as such, beside the settings, and in its command: see the Dockerfile. */
export const PROCESS_ENVIRONMENT = {
  MALLOC_ARENA_MAX: '1',
  ...(IS_LARGE_BY_ITSELF && { NODE_OPTIONS: '--max-semi-space-size=32' }),
};

/**
 * The environment of a production start. Other than the defaults: limits that the load does not reach (they are judged all the
 * same), and lifetimes and numbers of sessions that last for the run, because the credentials are made before it and the same
 * users sign in again and again.
 */
export function environment({ databaseUrl, secret, mode, port = 3000 }) {
  return {
    NODE_ENV: 'production',
    AUTH_MODE: mode,
    APP_SECRET: secret,
    DATABASE_URL: databaseUrl,
    PUBLIC_ORIGIN: ORIGIN,
    HOST: '127.0.0.1',
    PORT: String(port),
    LOG_FORMAT: 'json',
    LOG_LEVEL: 'info',
    SESSION_IDLE_TTL: '12h',
    SESSION_ABSOLUTE_TTL: '24h',
    JWT_ACCESS_TTL: '6h',
    SESSION_MAX_PER_USER: '1000',
    THROTTLE_LOGIN_FAILURES_PER_ACCOUNT: '999999/1s',
    THROTTLE_LOGIN_FAILURES_PER_IP: '999999/1s',
    THROTTLE_LOGINS_PER_IP: '999999/1s',
    THROTTLE_SIGNUPS_PER_IP: '999999/1s',
    THROTTLE_REFUSED_REFRESHES_PER_IP: '999999/1s',
  };
}
