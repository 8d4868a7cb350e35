import { inspect } from 'node:util';
import { deepFreeze } from './deep-freeze.js';
import { describeConfig } from './describe-config.js';
import type {
  AppSecret,
  AuditSettings,
  AuthSettings,
  CookieSettings,
  CsrfSettings,
  DatabaseSettings,
  Environment,
  JwtSettings,
  LogSettings,
  PasswordSettings,
  ServerSettings,
  SessionSettings,
  ThrottleSettings,
} from './settings.js';

export type { AppSecret } from './settings.js';

/** What the constructor takes: everything that is not derived from something else. */
export type AppSettings = Omit<AppConfig, 'isProduction' | 'toJSON' | typeof inspect.custom>;

/**
 * The settings of this process: read once at start, typed, deep-frozen. It is also its own injection token.
 * Printing it (`console.log`, `JSON.stringify`, a logger) shows the masked settings, never a secret.
 */
export class AppConfig {
  /** `NODE_ENV`. */
  readonly environment: Environment;
  /** True when `environment` is `production`. */
  readonly isProduction: boolean;
  readonly server: ServerSettings;
  readonly auth: AuthSettings;
  /** `APP_SECRET`: the first signs, all are accepted. */
  readonly secrets: readonly [AppSecret, ...AppSecret[]];
  /** `DATA_DIR` as an absolute path. */
  readonly dataDir: string;
  readonly database: DatabaseSettings;
  /** `REDIS_URL`; null when there is no Redis. May hold a password: do not log it. */
  readonly redisUrl: string | null;
  readonly session: SessionSettings;
  readonly cookies: CookieSettings;
  readonly csrf: CsrfSettings;
  readonly jwt: JwtSettings;
  readonly passwords: PasswordSettings;
  readonly throttle: ThrottleSettings;
  readonly audit: AuditSettings;
  readonly log: LogSettings;

  constructor(settings: AppSettings) {
    this.environment = settings.environment;
    this.isProduction = settings.environment === 'production';
    this.server = settings.server;
    this.auth = settings.auth;
    this.secrets = settings.secrets;
    this.dataDir = settings.dataDir;
    this.database = settings.database;
    this.redisUrl = settings.redisUrl;
    this.session = settings.session;
    this.cookies = settings.cookies;
    this.csrf = settings.csrf;
    this.jwt = settings.jwt;
    this.passwords = settings.passwords;
    this.throttle = settings.throttle;
    this.audit = settings.audit;
    this.log = settings.log;
    deepFreeze(this);
  }

  /** The masked settings by variable name, so that a log line or a dump cannot give a secret away. */
  toJSON(): Readonly<Record<string, string>> {
    return describeConfig(this);
  }

  [inspect.custom](): Readonly<Record<string, string>> {
    return describeConfig(this);
  }
}
