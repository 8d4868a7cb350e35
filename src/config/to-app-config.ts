import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { AppConfig } from './app-config.js';
import { jwtAudience, publicOriginOf } from './derived-defaults.js';
import type { Values } from './schema.js';
import type { SecretList } from './secret.js';

/** Sorts valid values into sections and fills in the defaults that depend on something else. */
export function toAppConfig(values: Values, { secrets }: SecretList, directory: string): AppConfig {
  const isProduction = values.NODE_ENV === 'production';
  const publicOrigin = publicOriginOf(values);
  const audience = jwtAudience(values);
  return new AppConfig({
    environment: values.NODE_ENV,
    server: {
      port: values.PORT,
      host: values.HOST ?? (isProduction ? '0.0.0.0' : '127.0.0.1'),
      publicOrigin,
      isHttps: publicOrigin.startsWith('https://'),
      corsOrigins: values.CORS_ORIGINS ?? [],
      trustProxy: values.TRUST_PROXY,
      docs: values.DOCS ?? !isProduction,
      metricsPort: values.METRICS_PORT ?? null,
    },
    auth: { mode: values.AUTH_MODE ?? ['session'], signup: values.SIGNUP },
    secrets,
    dataDir: resolve(directory, values.DATA_DIR),
    database: {
      url: values.DATABASE_URL ?? null,
      directUrl: values.DATABASE_DIRECT_URL ?? null,
      poolSize: values.DATABASE_POOL_SIZE,
      migrate: values.DATABASE_MIGRATE,
    },
    redisUrl: values.REDIS_URL ?? null,
    session: {
      idleSeconds: values.SESSION_IDLE_TTL,
      absoluteSeconds: values.SESSION_ABSOLUTE_TTL,
      rememberIdleSeconds: values.SESSION_REMEMBER_IDLE_TTL,
      rememberAbsoluteSeconds: values.SESSION_REMEMBER_ABSOLUTE_TTL,
      maxPerUser: values.SESSION_MAX_PER_USER,
    },
    cookies: { sameSite: values.COOKIE_SAMESITE },
    csrf: { token: values.CSRF_TOKEN },
    jwt: {
      algorithm: values.JWT_ALGORITHM,
      accessSeconds: values.JWT_ACCESS_TTL,
      refreshGraceSeconds: values.JWT_REFRESH_GRACE,
      refreshBodyOrigins: values.JWT_REFRESH_BODY_ORIGINS ?? [],
      issuer: values.JWT_ISSUER ?? publicOrigin,
      audience,
      keyRotationSeconds: values.JWT_KEY_ROTATION,
      forwardAuthAudience: values.FORWARD_AUTH_AUDIENCE ?? `${audience}/internal`,
    },
    passwords: {
      minLength: values.PASSWORD_MIN_LENGTH,
      hashConcurrency: values.PASSWORD_HASH_CONCURRENCY ?? Math.max(1, availableParallelism() - 1),
      hashQueue: values.PASSWORD_HASH_QUEUE,
      hashNice: values.PASSWORD_HASH_NICE ?? (isProduction ? 19 : 0),
    },
    throttle: {
      enabled: values.THROTTLE === 'on',
      loginFailuresPerAccount: values.THROTTLE_LOGIN_FAILURES_PER_ACCOUNT,
      loginFailuresPerIp: values.THROTTLE_LOGIN_FAILURES_PER_IP,
      loginsPerIp: values.THROTTLE_LOGINS_PER_IP,
      signupsPerIp: values.THROTTLE_SIGNUPS_PER_IP,
      refusedRefreshesPerIp: values.THROTTLE_REFUSED_REFRESHES_PER_IP,
    },
    audit: { retentionSeconds: values.AUDIT_RETENTION },
    log: { level: values.LOG_LEVEL, format: values.LOG_FORMAT ?? (isProduction ? 'json' : 'pretty') },
  });
}
