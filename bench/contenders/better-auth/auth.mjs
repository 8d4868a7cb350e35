import { betterAuth } from 'better-auth';
import { bearer } from 'better-auth/plugins';
import pg from 'pg';

/**
 * better-auth as its documentation sets it up: email and password, a pg Pool as the database.
 * `variant`: `session` (the default of better-auth), `cookie-cache` or `bearer`.
 */
export function createAuth({ databaseUrl, secret, variant }) {
  return betterAuth({
    baseURL: 'http://127.0.0.1',
    secret,
    database: new pg.Pool({ connectionString: databaseUrl }),
    emailAndPassword: { enabled: true },
    // The documentation's example has 5 minutes; what a request costs is the same, and cookies made before the run stay good.
    ...(variant === 'cookie-cache' && {
      session: { cookieCache: { enabled: true, maxAge: 24 * 60 * 60 } },
    }),
    ...(variant === 'bearer' && { plugins: [bearer()] }),
    // It would refuse the load: all of it comes from one address.
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { level: 'error' },
  });
}
