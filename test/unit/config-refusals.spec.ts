import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { weaknessOf } from '../../src/config/secret-strength.js';
import { ConfigHarness, PRODUCTION, SECRET, type Environment } from './config-harness.js';

const harness = new ConfigHarness();

/** Bad values of one variable, and what the line says. */
const bad = (name: string, says: RegExp, ...texts: string[]): [string, string, RegExp][] =>
  texts.map((text) => [name, text, new RegExp(`^${name}: .*${says.source}`)]);

describe('one bad value', () => {
  test.each([
    ...bad('NODE_ENV', /allowed: development, test, production$/, '', 'prod', 'Production', '../x'),
    ...bad(
      'AUTH_MODE',
      /is not a strategy; allowed: session, jwt, or several/,
      'Session',
      'jwtt',
      'session jwt',
    ),
    ...bad('AUTH_MODE', /twice; allowed: session, jwt/, 'jwt,jwt', 'session,jwt,session'),
    ...bad('AUTH_MODE', /is empty/, 'session,', ',session', 'session,,jwt'),
    ...bad(
      'SESSION_ABSOLUTE_TTL',
      /is not a duration; allowed: .*400d$/,
      '15mm',
      '0s',
      '-5m',
      '1.5h',
      'NaN',
      '401d',
    ),
    ...bad(
      'AUDIT_RETENTION',
      /is not a duration/,
      '9999999999s',
      '1e3s',
      '15',
      '15M',
      'm',
      '15m 30s',
      '٣m',
      '5 m',
    ),
    ...bad(
      'THROTTLE_LOGINS_PER_IP',
      /is not a rate/,
      '5',
      '5/',
      '/5m',
      '0/5m',
      '5/5',
      '-5/5m',
      '5/0s',
      '5/5m/5m',
    ),
    ...bad(
      'PORT',
      /whole number from 0 to 65535$/,
      '-1',
      '65536',
      '3000x',
      '0x10',
      '1e3',
      '3.5',
      '9999999999',
    ),
    ...bad('PASSWORD_MIN_LENGTH', /from 8 to 64$/, '7', '65'),
    ...bad('PASSWORD_HASH_CONCURRENCY', /from 1 to/, '0'),
    ...bad('DATABASE_MIGRATE', /allowed: true, false$/, 'yes', '1', 'TRUE'),
    ...bad('SIGNUP', /allowed: open, closed$/, 'close', 'Open'),
    ...bad('JWT_ALGORITHM', /allowed: ES256, RS256, PS256$/, 'HS256', 'none', 'es256'),
    ...bad('HOST', /without port/, 'localhost:3000', 'http://localhost', '-'),
    ...bad('JWT_ISSUER', /printable ASCII/, 'my company', 'ü'.repeat(50)),
    ...bad('JWT_ISSUER', /one line of text$/, 'a\nb', 'a\u0085b'),
    ...bad('AUTH_MODE', /starts with a quote/, '"jwt"', "'jwt'"),
    ...bad('PUBLIC_ORIGIN', /has a path/, 'https://a.example/', 'https://a.example/x', 'https://a.example?x'),
    ...bad(
      'PUBLIC_ORIGIN',
      /allowed: scheme:\/\/host/,
      'https://u:p@a.example',
      'a.example',
      'https://',
      '//a.example',
    ),
    ...bad(
      'PUBLIC_ORIGIN',
      /allowed: scheme:\/\/host/,
      'capacitor://localhost',
      'ftp://a.example',
      'null',
      '*',
    ),
    ...bad(
      'PUBLIC_ORIGIN',
      /allowed: scheme:\/\/host/,
      'https:\\\\a.example',
      'https://a.example:99999',
      'https://a b',
    ),
    ...bad('CORS_ORIGINS', /wildcard/, '*', 'https://*.example.com', 'https://ok.example,*'),
    ...bad('CORS_ORIGINS', /null is refused/, 'null', 'NULL', 'https://ok.example, null'),
    ...bad('CORS_ORIGINS', /has a path/, 'https://a.example/', 'app://a/b'),
    ...bad(
      'CORS_ORIGINS',
      /capacitor:\/\/localhost$/,
      'file://x',
      'wss://a.example',
      'app://a_%b',
      'https://u@a.example',
    ),
    ...bad('JWT_REFRESH_BODY_ORIGINS', /wildcard/, '*'),
    ...bad('TRUST_PROXY', /trusts everybody/, 'true', 'TRUE', '*', '0.0.0.0/0', '::/0', '10.0.0.0/8,::/0'),
    ...bad(
      'TRUST_PROXY',
      /allowed: a number of proxies/,
      '-1',
      '10.0.0.0/33',
      '10.0.0',
      'loopback',
      '10.0.0.1/',
    ),
    ...bad('TRUST_PROXY', /allowed: /, '17', '1,10.0.0.0/8', 'fe80::1%eth0', '10.0.0.0/8,'),
    ...bad('APP_SECRET', /bytes; allowed/, 'changeme', 'AAAA', randomBytes(24).toString('hex')),
    ...bad(
      'APP_SECRET',
      /is not base64, base64url or hex/,
      `${SECRET}!`,
      '+-'.repeat(22),
      'a'.repeat(45),
      `${SECRET}=`,
    ),
    ...bad(
      'APP_SECRET',
      /two entries are equal/,
      `${SECRET},${Buffer.from(SECRET, 'base64').toString('hex')}`,
    ),
    ...bad('COOKIE_SAMESITE', /needs an https PUBLIC_ORIGIN/, 'none'),
    ...bad('DATABASE_DIRECT_URL', /without DATABASE_URL/, 'postgres://db/latchkey'),
    ...bad('FORWARD_AUTH_AUDIENCE', /allowed: any other value/, 'http://localhost:3000'),
    ...bad('SESSION_IDLE_TTL', /9h is longer than SESSION_ABSOLUTE_TTL; allowed: at most 8h$/, '9h'),
    ...bad(
      'SESSION_REMEMBER_IDLE_TTL',
      /longer than SESSION_REMEMBER_ABSOLUTE_TTL; allowed: at most 30d$/,
      '31d',
    ),
    ...bad('JWT_REFRESH_GRACE', /at most 60s$/, '61s'),
  ])('%s=%s', (name, text, pattern) => harness.expectProblems({ [name]: text }, [pattern]));
});

describe('in production', () => {
  const encoded = (text: string): string => Buffer.from(text).toString('base64');
  const repeated = encoded('0123456789abcdef'.repeat(3));
  const fewBytes = Buffer.from(Array.from({ length: 64 }, (_, index) => Math.floor(index ** 1.5) % 11));
  const unset = {
    AUTH_MODE: undefined,
    APP_SECRET: undefined,
    DATABASE_URL: undefined,
    PUBLIC_ORIGIN: undefined,
  };
  const empty = { AUTH_MODE: '', APP_SECRET: ' ', DATABASE_URL: '', PUBLIC_ORIGIN: '' };
  const required = [
    /^AUTH_MODE: is required.*session, jwt/,
    /^APP_SECRET: .*openssl/,
    /^DATABASE_URL/,
    /^PUBLIC_ORIGIN/,
  ];

  test('the least that it asks for is enough', () => expect(harness.problemsOf(PRODUCTION)).toEqual([]));

  test.each<[Environment, RegExp[]]>([
    [unset, required],
    [empty, required],
    [{ AUTH_MODE: 'Session' }, [/^AUTH_MODE: .*allowed: session, jwt/]],
    [{ PUBLIC_ORIGIN: 'http://a.example' }, [/^PUBLIC_ORIGIN: http is refused/]],
    [{ PUBLIC_ORIGIN: 'http://a.example', COOKIE_SAMESITE: 'none' }, [/^COOKIE_SAMESITE/, /^PUBLIC_ORIGIN/]],
    [{ THROTTLE: 'off' }, [/^THROTTLE: off is refused/]],
    [{ PORT: '0' }, [/^PORT: 0 .*1 to 65535/]],
    [{ JWT_KEY_ROTATION: '10m' }, [/^JWT_KEY_ROTATION: .*at least 1h/]],
    [{ APP_SECRET: 'changeme'.repeat(6) }, [/^APP_SECRET: is a short piece repeated; allowed: /]],
    [{ APP_SECRET: encoded('changeme-CHANGEME_please-or-else.!') }, [/^APP_SECRET: looks like an example/]],
    [{ APP_SECRET: randomBytes(31).toString('base64') }, [/^APP_SECRET: holds only 31 bytes/]],
    [{ APP_SECRET: Buffer.alloc(32, 7).toString('hex') }, [/^APP_SECRET: is one byte repeated/]],
    [{ APP_SECRET: repeated }, [/^APP_SECRET: is a short piece repeated/]],
    [
      { APP_SECRET: Buffer.from([...Array(40).keys()]).toString('base64') },
      [/^APP_SECRET: is a simple sequence/],
    ],
    [{ APP_SECRET: fewBytes.toString('hex') }, [/^APP_SECRET: has too few different bytes/]],
    [{ APP_SECRET: encoded('It was a bright cold day in April, 13') }, [/^APP_SECRET: is text/]],
    [{ APP_SECRET: 'it-was-a-bright-cold-day-in-april-and-the-clocks' }, [/^APP_SECRET: is text/]],
    [{ APP_SECRET: `${SECRET},${repeated}` }, [/^APP_SECRET: entry 2: is a short piece/]],
    [{ APP_SECRET: `${SECRET},${SECRET}` }, [/^APP_SECRET: two entries are equal/]],
    [{ DATABASE_URL: 'mysql://root:hunter2@db/x' }, [/^DATABASE_URL: is not a usable address/]],
    [{ DATABASE_URL: 'postgres://u:hunter2#1@db/x' }, [/^DATABASE_URL: .*percent-encoded/]],
    [{ DATABASE_URL: 'postgres://u:12#hunter2@db/x' }, [/^DATABASE_URL: /]],
    [{ DATABASE_URL: 'postgres://u:hunter2%zz@db/x' }, [/^DATABASE_URL: /]],
    [{ DATABASE_URL: '"postgres://u:hunter2@db/x"' }, [/^DATABASE_URL: starts with a quote/]],
    [{ DATABASE_DIRECT_URL: 'host=db password=hunter2' }, [/^DATABASE_DIRECT_URL: /]],
    [{ REDIS_URL: 'http://:hunter2@cache' }, [/^REDIS_URL: /]],
    [{ PUBLIC_ORIGIN: 'https://u:hunter2@a.example' }, [/^PUBLIC_ORIGIN: /]],
    [{ SIGNUP: SECRET }, [/^SIGNUP: a value of 44 characters is not allowed; allowed: open, closed$/]],
  ])('%j', (overrides, patterns) => {
    harness.expectProblems({ ...PRODUCTION, ...overrides }, patterns);
    const printed = harness.problemsOf({ ...PRODUCTION, ...overrides }).join('\n');
    const secrets = [SECRET, 'hunter2', ...(overrides.APP_SECRET ?? '').split(',')];
    for (const secret of secrets.filter((text) => text.length > 1)) expect(printed).not.toContain(secret);
  });

  test('no secret is generated, no file written', () => {
    harness.problemsOf({ ...PRODUCTION, APP_SECRET: undefined });
    expect(readdirSync(harness.directory)).toEqual([]);
  });

  test('weak secrets are for tests', () => {
    const APP_SECRET = Buffer.alloc(32, 7).toString('base64');
    expect(harness.problemsOf({ NODE_ENV: 'test', APP_SECRET })).toEqual([]);
  });

  test('random secrets are strong in every notation', () => {
    for (let round = 0; round < 500; round += 1) {
      const bytes = randomBytes(32);
      for (const encoding of ['hex', 'base64', 'base64url'] as const)
        expect(weaknessOf(bytes.toString(encoding), bytes)).toBeNull();
    }
  });
});
