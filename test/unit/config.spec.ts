import { inspect } from 'node:util';
import { randomBytes } from 'node:crypto';
import type { AppConfig } from '../../src/config/app-config.js';
import { describeConfig } from '../../src/config/describe-config.js';
import { ConfigHarness, PRODUCTION, SECRET, type Environment } from './config-harness.js';

const harness = new ConfigHarness();
const OTHER_SECRET = randomBytes(48).toString('base64url');

describe('values', () => {
  const https = { PUBLIC_ORIGIN: 'https://a.example' };
  const origins = 'Capacitor://localhost, http://[::1]:5173,https://App.example:443,https://app.example';
  const proxies = '10.0.0.0/8, 192.0.2.7,fd00::/8,::1';
  const socket = 'postgres://latchkey@/db?host=%2Ftmp';

  test.each<[Environment, (config: AppConfig) => unknown, unknown]>([
    [{}, (c) => c.auth.mode, ['session']],
    [{ AUTH_MODE: ' ' }, (c) => c.auth.mode, ['session']],
    [{ AUTH_MODE: ' jwt , session ' }, (c) => c.auth.mode, ['jwt', 'session']],
    [{ SESSION_IDLE_TTL: '90s' }, (c) => c.session.idleSeconds, 90],
    [{ SESSION_IDLE_TTL: '8h' }, (c) => c.session.idleSeconds, 28_800],
    [{ SESSION_ABSOLUTE_TTL: '400d' }, (c) => c.session.absoluteSeconds, 34_560_000],
    [{ JWT_ACCESS_TTL: '1h' }, (c) => c.jwt.accessSeconds, 3600],
    [{ JWT_REFRESH_GRACE: '60s' }, (c) => c.jwt.refreshGraceSeconds, 60],
    [{ THROTTLE_LOGINS_PER_IP: '7/2h' }, (c) => c.throttle.loginsPerIp, { points: 7, windowSeconds: 7200 }],
    [{ PUBLIC_ORIGIN: 'HTTPS://A.Example' }, (c) => c.server.publicOrigin, 'https://a.example'],
    [https, (c) => c.server.isHttps, true],
    [{ PUBLIC_ORIGIN: 'https://a.example:443' }, (c) => c.server.publicOrigin, 'https://a.example'],
    [{ PORT: '8080' }, (c) => c.server.publicOrigin, 'http://localhost:8080'],
    [{ PORT: '8080' }, (c) => [c.jwt.issuer, c.server.isHttps], ['http://localhost:8080', false]],
    [{ PORT: '80' }, (c) => c.server.publicOrigin, 'http://localhost'],
    [{ NODE_ENV: 'test', PORT: '0' }, (c) => c.server.port, 0],
    [
      { CORS_ORIGINS: origins },
      (c) => c.server.corsOrigins,
      ['capacitor://localhost', 'http://[::1]:5173', 'https://app.example'],
    ],
    [{ TRUST_PROXY: '2' }, (c) => c.server.trustProxy, 2],
    [{ TRUST_PROXY: proxies }, (c) => c.server.trustProxy, ['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '::1']],
    [{ COOKIE_SAMESITE: 'none', ...https }, (c) => c.cookies.sameSite, 'none'],
    [{ JWT_AUDIENCE: 'api' }, (c) => [c.jwt.audience, c.jwt.forwardAuthAudience], ['api', 'api/internal']],
    [{ DATABASE_URL: socket }, (c) => c.database.url, socket],
    [{ LOG_LEVEL: ' debug\n' }, (c) => c.log.level, 'debug'],
    [{ PASSWORD_HASH_CONCURRENCY: '3' }, (c) => c.passwords.hashConcurrency, 3],
    [{ PASSWORD_HASH_QUEUE: '0' }, (c) => c.passwords.hashQueue, 0],
    [{}, (c) => c.passwords.hashNice, 0],
    [{ PASSWORD_HASH_NICE: '10' }, (c) => c.passwords.hashNice, 10],
    [PRODUCTION, (c) => c.passwords.hashNice, 19],
    [{ ...PRODUCTION, PASSWORD_HASH_NICE: '0' }, (c) => c.passwords.hashNice, 0],
    [{ DATABASE_MIGRATE: 'false' }, (c) => c.database.migrate, false],
    [{}, (c) => [c.server.host, c.server.docs, c.log.format], ['127.0.0.1', true, 'pretty']],
    [PRODUCTION, (c) => [c.server.host, c.server.docs, c.log.format], ['0.0.0.0', false, 'json']],
    [{ ...PRODUCTION, DOCS: 'true' }, (c) => [c.server.docs, c.isProduction], [true, true]],
  ])('%j', (environment, read, expected) => expect(read(harness.load(environment))).toEqual(expected));

  test('hash concurrency by default is never under 1', () => {
    expect(harness.load().passwords.hashConcurrency).toBeGreaterThanOrEqual(1);
  });

  test('names of other strategies', () => {
    expect(harness.load({ AUTH_MODE: 'opaque,jwt' }, ['jwt', 'opaque']).auth.mode).toEqual(['opaque', 'jwt']);
  });

  test('nothing can be changed', () => {
    const config = harness.load({ CORS_ORIGINS: 'https://a.example' });
    for (const part of [config, config.session, config.server.corsOrigins, config.secrets, config.secrets[0]])
      expect(Object.isFrozen(part)).toBe(true);
  });
});

describe('several problems at once', () => {
  test.each<[Environment, RegExp[]]>([
    [{ AUTH_MODE: 'a,session,b' }, [/^AUTH_MODE: entry 1: "a"/, /^AUTH_MODE: entry 3: "b"/]],
    [{ AUTH_MODE: 'session,jwt', JWT_ACCESS_TTL: '30m' }, [/^JWT_ACCESS_TTL: .*allowed: less than 30m$/]],
    [
      { JWT_ACCESS_TTL: '30s' },
      [/^JWT_REFRESH_GRACE: .*not shorter than JWT_ACCESS_TTL; allowed: less than 30s$/],
    ],
    [
      { AUTH_MODE: 'jwt', SESSION_IDLE_TTL: '9h', JWT_ACCESS_TTL: '10h', JWT_REFRESH_GRACE: '11h' },
      [
        /^SESSION_IDLE_TTL/,
        /^JWT_ACCESS_TTL/,
        /^JWT_REFRESH_GRACE: .*not shorter/,
        /^JWT_REFRESH_GRACE: .*at most/,
      ],
    ],
    [
      { PORT: 'x', CORS_ORIGINS: '*,null', SESSION_IDLE_TTL: '9h', AUTH_MODES: 'jwt', LOG_LEVEL: 'loud' },
      [
        /^AUTH_MODES/,
        /^PORT/,
        /^CORS_ORIGINS: entry 1/,
        /^CORS_ORIGINS: entry 2/,
        /^LOG_LEVEL/,
        /^SESSION_IDLE_TTL/,
      ],
    ],
  ])('%j', (environment, patterns) => {
    harness.expectProblems(environment, patterns);
    expect(harness.problemsOf(environment).join('')).not.toContain('\n');
  });
});

describe('what may be printed', () => {
  const load = (): AppConfig =>
    harness.load({
      ...PRODUCTION,
      APP_SECRET: `${SECRET},${OTHER_SECRET}`,
      DATABASE_URL: 'postgres://latchkey:hunter2@ss@db:5432/x?sslmode=require&sslpassword=hunter2',
      DATABASE_DIRECT_URL: 'postgres://db/x?%70assword=hunter2&user=u',
      REDIS_URL: 'rediss://hunter2@cache:6379/0',
    });

  test('effective settings by variable, secrets masked', () => {
    expect(describeConfig(load())).toMatchObject({
      APP_SECRET: expect.stringMatching(/^\*\*\* \(id [0-9a-f]{8}\), \*\*\* \(id [0-9a-f]{8}\)$/),
      DATABASE_URL: 'postgres://latchkey:***@db:5432/x?sslmode=require&sslpassword=***',
      DATABASE_DIRECT_URL: 'postgres://db/x?%70assword=***&user=u',
      REDIS_URL: 'rediss://***@cache:6379/0',
      SESSION_IDLE_TTL: '30m',
      THROTTLE_REFUSED_REFRESHES_PER_IP: '150/5m',
      HOST: '0.0.0.0',
    });
  });

  test('no secret in any notation, however it is printed', () => {
    const printed = [describeConfig(load()), load(), load().secrets]
      .flatMap((part) => [JSON.stringify(part), inspect(part, { depth: 9, showHidden: true }), String(part)])
      .join('\n');
    for (const secret of [SECRET, OTHER_SECRET])
      for (const encoding of ['base64', 'base64url', 'hex', 'latin1'] as const)
        expect(printed).not.toContain(Buffer.from(secret, 'base64').toString(encoding).slice(0, 12));
    expect(printed).not.toContain('hunter2');
  });

  test('what it says can be read again', () => {
    const addresses = { DATABASE_URL: PRODUCTION.DATABASE_URL, DATABASE_DIRECT_URL: '', REDIS_URL: '' };
    const first = describeConfig(load());
    const again = describeConfig(harness.load({ ...first, ...addresses, APP_SECRET: SECRET }));
    expect({ ...again, ...addresses, APP_SECRET: '' }).toEqual({ ...first, ...addresses, APP_SECRET: '' });
  });
});

describe('warnings', () => {
  const short = { SESSION_IDLE_TTL: '8d', SESSION_ABSOLUTE_TTL: '8d' };
  test.each<[Environment, RegExp]>([
    [
      { JWT_REFRESH_BODY_ORIGINS: 'capacitor://localhost' },
      /^JWT_REFRESH_BODY_ORIGINS: capacitor:\/\/localhost is not/,
    ],
    [
      { ...PRODUCTION, CORS_ORIGINS: 'http://a.example,http://localhost' },
      /^CORS_ORIGINS: http:\/\/a\.example is not/,
    ],
    [short, /^SESSION_REMEMBER_IDLE_TTL: 7d is shorter than SESSION_IDLE_TTL/],
  ])('%j', (environment, pattern) => {
    harness.load(environment);
    expect(harness.warnings).toEqual([expect.stringMatching(pattern)]);
  });
});
