import type { AppConfig } from './app-config.js';
import { maskedUrl } from './connection-url.js';
import { durationText } from './duration.js';
import type { VariableName } from './schema.js';
import type { Rate } from './settings.js';

const rateText = ({ points, windowSeconds }: Rate): string => `${points}/${durationText(windowSeconds)}`;

const masked = (url: string | null, whenNull: string, keepUser: boolean): string =>
  url === null ? whenNull : maskedUrl(url, keepUser);

/**
 * The settings in force by the name of their variable, as an operator would write them. Secrets are `***` with their
 * harmless id, passwords in addresses `***`; what is not set is an empty text.
 */
export function describeConfig(config: AppConfig): Readonly<Record<VariableName, string>> {
  const { server, auth, database, session, jwt, passwords, throttle } = config;
  return {
    NODE_ENV: config.environment,
    PORT: String(server.port),
    HOST: server.host,
    PUBLIC_ORIGIN: server.publicOrigin,
    CORS_ORIGINS: server.corsOrigins.join(','),
    TRUST_PROXY:
      typeof server.trustProxy === 'number' ? String(server.trustProxy) : server.trustProxy.join(','),
    DOCS: String(server.docs),
    METRICS_PORT: String(server.metricsPort ?? ''),
    AUTH_MODE: auth.mode.join(','),
    APP_SECRET: config.secrets.map(({ id }) => `*** (id ${id})`).join(', '),
    SIGNUP: auth.signup,
    DATA_DIR: config.dataDir,
    DATABASE_URL: masked(database.url, '', true),
    DATABASE_DIRECT_URL: masked(database.directUrl, masked(database.url, '', true), true),
    DATABASE_POOL_SIZE: String(database.poolSize),
    DATABASE_MIGRATE: String(database.migrate),
    REDIS_URL: masked(config.redisUrl, '', false),
    AUDIT_RETENTION: durationText(config.audit.retentionSeconds),
    SESSION_IDLE_TTL: durationText(session.idleSeconds),
    SESSION_ABSOLUTE_TTL: durationText(session.absoluteSeconds),
    SESSION_REMEMBER_IDLE_TTL: durationText(session.rememberIdleSeconds),
    SESSION_REMEMBER_ABSOLUTE_TTL: durationText(session.rememberAbsoluteSeconds),
    SESSION_MAX_PER_USER: String(session.maxPerUser),
    COOKIE_SAMESITE: config.cookies.sameSite,
    CSRF_TOKEN: config.csrf.token,
    JWT_ALGORITHM: jwt.algorithm,
    JWT_ACCESS_TTL: durationText(jwt.accessSeconds),
    JWT_REFRESH_GRACE: durationText(jwt.refreshGraceSeconds),
    JWT_REFRESH_BODY_ORIGINS: jwt.refreshBodyOrigins.join(','),
    JWT_ISSUER: jwt.issuer,
    JWT_AUDIENCE: jwt.audience,
    JWT_KEY_ROTATION: durationText(jwt.keyRotationSeconds),
    FORWARD_AUTH_AUDIENCE: jwt.forwardAuthAudience,
    PASSWORD_MIN_LENGTH: String(passwords.minLength),
    PASSWORD_HASH_CONCURRENCY: String(passwords.hashConcurrency),
    PASSWORD_HASH_QUEUE: String(passwords.hashQueue),
    PASSWORD_HASH_NICE: String(passwords.hashNice),
    THROTTLE: throttle.enabled ? 'on' : 'off',
    THROTTLE_LOGIN_FAILURES_PER_ACCOUNT: rateText(throttle.loginFailuresPerAccount),
    THROTTLE_LOGIN_FAILURES_PER_IP: rateText(throttle.loginFailuresPerIp),
    THROTTLE_LOGINS_PER_IP: rateText(throttle.loginsPerIp),
    THROTTLE_SIGNUPS_PER_IP: rateText(throttle.signupsPerIp),
    THROTTLE_REFUSED_REFRESHES_PER_IP: rateText(throttle.refusedRefreshesPerIp),
    LOG_LEVEL: config.log.level,
    LOG_FORMAT: config.log.format,
  };
}
