import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { JwtService } from '@nestjs/jwt';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { ForwardAuthHeaders } from '../../src/auth/forward-auth-headers.js';
import { KeyRotation } from '../../src/keys/key-rotation.js';
import { generatePrivateKey } from '../../src/keys/signing-algorithms.js';
import type { Authentication } from '../../src/principal/authentication.js';
import { SessionActivity } from '../../src/sessions/session-activity.js';
import { type WireAnswer, type WireHeaders, wire } from '../session/support/wire.js';
import { eventually } from '../support/processes.js';
import { MODES, TestApp } from '../support/test-app.js';
import type { TestClient } from '../support/test-client.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];
const PATHS = ['/auth/verify', '/auth/verify/', '/auth/verify/invoices/7?page=2', '/auth/verify/%2e%2e/me'];
const AUDIENCE = 'http://localhost:3000/internal';

const identityOf = ({ headers }: WireAnswer): string[] =>
  Object.keys(headers).filter((name) => name.startsWith('x-auth-'));

async function signedUp(app: TestApp): Promise<TestClient> {
  const client = app.client();
  expect((await client.signup()).status).toBe(201);
  return client;
}

const verify = (
  app: TestApp,
  { credentials }: { readonly credentials: WireHeaders },
  { method = 'GET', path = '/auth/verify', headers = {} } = {},
): Promise<WireAnswer> => wire(app.url, method, path, { headers: { ...credentials, ...headers } });

const NOBODY = { credentials: {} };
const tokenOf = ({ headers }: WireAnswer): string => headers['x-auth-token'] ?? '';

describe.each(MODES)('GET /auth/verify, AUTH_MODE=%s', (mode) => {
  const [primary = ''] = mode.split(',');
  let app: TestApp;
  let client: TestClient;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { TRUST_PROXY: '1' } });
    client = await signedUp(app);
  });
  afterAll(() => app.close());

  test('200 without a body: who it is, and a token that the JWKS verifies', async () => {
    const answer = await verify(app, client);
    expect([answer.status, answer.text, answer.setCookies]).toEqual([200, '', []]);
    const { id } = (await client.me()).body;
    expect(answer.headers).toMatchObject({
      'x-auth-user-id': id,
      'x-auth-session-id': client.sessionId,
      'x-auth-roles': 'user',
      'x-auth-strategy': primary,
      'cache-control': 'no-store',
    });
    const keys = createLocalJWKSet((await app.client().get('/.well-known/jwks.json')).body);
    const { payload } = await jwtVerify(tokenOf(answer), keys, {
      typ: 'lk-fwd+jwt',
      audience: AUDIENCE,
      issuer: 'http://localhost:3000',
    });
    expect(payload).toEqual({
      iss: 'http://localhost:3000',
      aud: AUDIENCE,
      sub: id,
      sid: client.sessionId,
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 60,
      roles: ['user'],
    });
  });

  test('every method and every path below is the same question', async () => {
    for (const method of METHODS) {
      for (const path of PATHS) {
        const headers = { origin: 'http://localhost:3000' };
        const answer = await verify(app, client, { method, path, headers });
        expect([method, path, answer.status, answer.text]).toEqual([method, path, 200, '']);
        expect(answer.headers['x-auth-session-id']).toBe(client.sessionId);
      }
    }
  });

  test('no method and no path lets anybody in without a credential, and what says no says nothing about anybody', async () => {
    for (const method of METHODS) {
      for (const path of PATHS) {
        for (const credentials of [{}, { authorization: 'Bearer a.b.c', cookie: 'sid=s%3Aa.b' }]) {
          const answer = await verify(app, { credentials }, { method, path });
          expect([method, path, answer.status, identityOf(answer)]).toEqual([method, path, 401, []]);
          expect(answer.headers['www-authenticate']).toContain('realm="latchkey"');
          if (method !== 'HEAD') expect(answer.body.code).toMatch(/^credential_(missing|invalid)$/);
        }
      }
    }
  });

  test('the token is no credential here, wherever it is put', async () => {
    const token = tokenOf(await verify(app, client));
    for (const path of ['/auth/me', '/auth/verify']) {
      for (const credentials of [
        { authorization: `Bearer ${token}` },
        { cookie: `sid=${token}; rt=${token}` },
        { 'x-auth-token': token, 'x-auth-user-id': 'me' },
      ]) {
        const answer = await verify(app, { credentials }, { path });
        expect([path, Object.keys(credentials)[0], answer.status]).toEqual([
          path,
          Object.keys(credentials)[0],
          401,
        ]);
      }
    }
  });

  test('one token for one credential: remembered with it, without a statement', async () => {
    const user = await signedUp(app);
    await verify(app, user);
    await eventually(async () => {
      const queries = app.countQueries();
      const [first, second] = [await verify(app, user), await verify(app, user)];
      queries.stop();
      return queries.count === 0 && tokenOf(first) === tokenOf(second);
    });
    expect(tokenOf(await verify(app, client))).not.toBe(tokenOf(await verify(app, user)));
  });

  test('a change of roles shows within a second, in the header and in the token; a logout at once', async () => {
    const user = await signedUp(app);
    await verify(app, user);
    const roles = ['user', 'editor', 'a, b', 'é', ''];
    await app.rows('UPDATE users SET roles = $1 WHERE email = $2', [roles, user.email]);
    await eventually(async () => {
      const answer = await verify(app, user);
      if (answer.body?.code === 'credential_expired') expect((await user.refresh()).status).toBe(200);
      return answer.headers['x-auth-roles'] === 'user,editor';
    });
    expect(decodeJwt(tokenOf(await verify(app, user)))['roles']).toEqual(roles);
    const stolen = user.copy();
    expect((await user.logout()).status).toBe(204);
    expect((await verify(app, stolen)).status).toBe(401);
  });

  test('a token never outlives its session', async () => {
    const user = await signedUp(app);
    await verify(app, user);
    const [row] = await app.rows<{ end: number }>(
      `UPDATE sessions SET expires_at = now() + interval '20 seconds' WHERE id = $1
       RETURNING extract(epoch FROM expires_at)::float8 AS end`,
      [user.sessionId],
    );
    await eventually(
      async () => (decodeJwt(tokenOf(await verify(app, user))).exp ?? Infinity) <= (row?.end ?? 0),
    );
  });

  test('a token of a key that was withdrawn is not handed out any more', async () => {
    const user = await signedUp(app);
    await verify(app, user);
    const kid = await app.get(KeyRotation).replaceCompromised();
    await eventually(async () => {
      const answer = await verify(app, user);
      if (answer.status === 401) expect((await user.refresh()).status).toBe(200);
      return answer.status === 200 && decodeProtectedHeader(tokenOf(answer)).kid === kid;
    });
    if (client.refreshToken !== undefined) expect((await client.refresh()).status).toBe(200);
  });

  test('it is activity: the idle end moves', async () => {
    const user = await signedUp(app);
    await app.rows(
      `UPDATE sessions SET last_seen_at = last_seen_at - interval '10 minutes',
         idle_expires_at = idle_expires_at - interval '10 minutes' WHERE id = $1`,
      [user.sessionId],
    );
    await eventually(async () => {
      expect((await verify(app, user)).status).toBe(200);
      await app.get(SessionActivity).flush();
      const [row] = await app.rows<{ seen: boolean }>(
        `SELECT last_seen_at > now() - interval '1 minute' AS seen FROM sessions WHERE id = $1`,
        [user.sessionId],
      );
      return row?.seen === true;
    });
  });

  test.each([
    ['a length and no body', 'Content-Length: 17\r\n', ''],
    ['a length beyond every limit', 'Content-Length: 99999999\r\nContent-Type: video/mp4\r\n', ''],
    ['chunks that never come', 'Transfer-Encoding: chunked\r\n', ''],
    ['a body that is no JSON', 'Content-Length: 5\r\nContent-Type: application/json\r\n', '{{{{{'],
  ])('%s: answered by the headers, and the connection ends', async (_, lines, body) => {
    for (const method of ['GET', 'POST']) {
      const credentials = Object.entries(client.credentials).map(([name, value]) => `${name}: ${value}\r\n`);
      const text = await rawExchange(
        app.url,
        `${method} /auth/verify HTTP/1.1\r\nHost: x\r\nOrigin: http://localhost:3000\r\n${credentials.join('')}${lines}\r\n${body}`,
      );
      expect(text).toMatch(/^HTTP\/1\.1 200 /);
      expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
      expect(text).toMatch(/^connection: close\r$/im);
    }
  });
});

/** Sends bytes and resolves with all that comes back until the server ends the connection. */
function rawExchange(url: string, bytes: string): Promise<string> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
  });
}

const CROSS = { 'sec-fetch-site': 'cross-site' };
const PRODUCTION = { NODE_ENV: 'production', PUBLIC_ORIGIN: 'https://app.example.com', PORT: '3000' };

/** The columns: what the gateway sends as its own method and as the original one, and what CSRF makes of it. */
describe.each([
  ['development, trusted', {}, '1', true],
  ['development, no proxy trusted', {}, '0', false],
  ['production, trusted', PRODUCTION, '127.0.0.0/8', true],
  ['production, another proxy trusted', PRODUCTION, '10.0.0.0/8', false],
] as const)('the original method: %s', (_, env, TRUST_PROXY, trusted) => {
  const production = 'NODE_ENV' in env;
  let app: TestApp;
  let cookie: TestClient;
  let bearer: TestClient;
  beforeAll(async () => {
    app = await TestApp.start({ mode: 'session,jwt', env: { ...env, TRUST_PROXY } });
    cookie = await signedUp(app);
    bearer = cookie.sibling();
    expect((await bearer.login({ strategy: 'jwt' })).status).toBe(200);
  });
  afterAll(() => app.close());

  /** The status for a request of a page elsewhere: 403 when the request counts as unsafe. */
  const crossSite = async (method: string, headers: WireHeaders): Promise<number> => {
    const { 'x-csrf-token': _token, ...credentials } = cookie.credentials;
    return (await verify(app, { credentials }, { method, headers: { ...CROSS, ...headers } })).status;
  };

  test.each<[string, WireHeaders]>([
    ['GET', { 'x-forwarded-method': 'GET' }],
    ['GET', { 'x-original-method': 'HEAD' }],
    ['HEAD', { 'x-forwarded-method': 'GET', 'x-original-method': 'GET' }],
  ])('%s with %j is safe', async (method, headers) => {
    // Whoever is not trusted is not believed; in production it is told so.
    expect(await crossSite(method, headers)).toBe(production && !trusted ? 403 : 200);
  });

  test.each<[string, WireHeaders]>([
    ['GET', { 'x-forwarded-method': 'POST' }],
    ['GET', { 'x-original-method': 'DELETE' }],
    ['GET', { 'x-forwarded-method': 'GET', 'x-original-method': 'POST' }],
    ['GET', { 'x-forwarded-method': 'GET', 'x-original-method': 'HEAD' }],
    ['GET', { 'x-forwarded-method': ['GET', 'POST'] }],
    ['GET', { 'x-forwarded-method': 'GET, POST' }],
    ['GET', { 'x-forwarded-method': 'get' }],
    ['GET', { 'x-forwarded-method': '' }],
    ['GET', { 'x-forwarded-method': 'OPTIONS' }],
  ])('%s with %j is unsafe, from a trusted proxy', async (method, headers) => {
    expect(await crossSite(method, headers)).toBe(trusted || production ? 403 : 200);
  });

  test.each<[string, WireHeaders]>([
    ['POST', {}],
    ['DELETE', { 'x-forwarded-method': 'GET' }],
    ['POST', { 'x-original-method': 'GET', 'x-forwarded-method': 'GET' }],
    ['OPTIONS', { 'x-forwarded-method': 'GET' }],
  ])(
    '%s with %j is unsafe whoever says what: a forged header makes nothing safe',
    async (method, headers) => {
      expect(await crossSite(method, headers)).toBe(403);
    },
  );

  test('an unsafe one passes by the table of the contract: the right origin, or the token', async () => {
    const headers = { 'x-forwarded-method': 'POST' };
    const passes = trusted || !production ? 200 : 403;
    const own = { ...headers, origin: app.config.server.publicOrigin };
    expect((await verify(app, cookie, { headers: own })).status).toBe(passes);
    expect((await verify(app, cookie, { headers })).status).toBe(passes);
    const wrong = { ...headers, 'x-csrf-token': 'wrong' };
    expect((await verify(app, cookie, { headers: wrong })).status).toBe(trusted || production ? 403 : 200);
    const evil = { ...headers, origin: 'https://evil.example' };
    expect((await verify(app, cookie, { headers: evil })).status).toBe(trusted || production ? 403 : 200);
  });

  test('a bearer token needs no protection, and no method header', async () => {
    const evil = { origin: 'https://evil.example', ...CROSS };
    for (const headers of [evil, { ...evil, 'x-forwarded-method': 'POST' }]) {
      for (const method of ['GET', 'POST']) {
        expect((await verify(app, bearer, { method, headers })).status).toBe(200);
      }
    }
  });

  test('a cookie without a method header: 403 in production from a proxy, and the detail names the header', async () => {
    const answer = await verify(app, cookie);
    expect(answer.status).toBe(production && trusted ? 403 : 200);
    if (production && trusted) {
      expect(answer.body).toMatchObject({
        code: 'csrf_failed',
        detail: expect.stringContaining('X-Forwarded-Method'),
      });
    }
  });

  test('in production a method header from somebody who is not trusted is refused by name, and never believed', async () => {
    const answer = await verify(app, cookie, { headers: { 'x-forwarded-method': 'GET' } });
    expect(answer.status).toBe(production && !trusted ? 403 : 200);
    if (production && !trusted) expect(answer.body.detail).toContain('TRUST_PROXY');
  });

  test('in production nobody but a trusted proxy is told who it is, or gets a token', async () => {
    for (const client of [cookie, bearer]) {
      const headers = trusted ? { 'x-forwarded-method': 'GET' } : {};
      const answer = await verify(app, client, { headers });
      expect(answer.status).toBe(200);
      expect(identityOf(answer)).toHaveLength(production && !trusted ? 0 : 5);
    }
    expect((await verify(app, NOBODY)).status).toBe(401);
  });
});

describe('the token over time', () => {
  /** A node whose clock began an hour ago, and the database's time at that moment. */
  const START = 3_600_000;
  const EPOCH = Date.parse('2030-01-01T00:00:00.400Z');
  let now = START;
  let issuer: ForwardAuthHeaders;
  beforeAll(async () => {
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    const key = { id: 'one', algorithm: 'ES256', privateKey: await generatePrivateKey('ES256') };
    const config = { jwt: { issuer: 'https://id.example', forwardAuthAudience: 'inside' } };
    issuer = new ForwardAuthHeaders(new JwtService({}), { signingKey: () => key } as never, config as never);
  });
  afterAll(() => void jest.restoreAllMocks());

  /** Read `ago` ms before now, with these seconds to live. */
  function authentication({ absolute = 28_800, idle = 1800, seenAgo = 0, ago = 0 }): Authentication {
    const readAt = EPOCH + now - START - ago;
    const lastSeenAt = readAt - seenAgo * 1000;
    const session = {
      readAt: new Date(readAt),
      readAtMonotonic: now - ago,
      lastSeenAt: new Date(lastSeenAt),
      idleExpiresAt: new Date(lastSeenAt + idle * 1000),
      expiresAt: new Date(readAt + absolute * 1000),
    };
    const principal = { userId: 'u', sessionId: 's', strategy: 'session', roles: ['user'] };
    return { session, principal } as unknown as Authentication;
  }
  const tokenFor = (who: Authentication): string => issuer.of(who)['x-auth-token'] ?? '';
  const secondsLeft = (token: string): number => (decodeJwt(token).exp ?? 0) - (EPOCH + now - START) / 1000;

  test("its times are the database's, whenever that was read", () => {
    const { iat, exp } = decodeJwt(tokenFor(authentication({ ago: 50_000 })));
    expect([iat, exp]).toEqual([Math.floor(EPOCH / 1000), Math.floor(EPOCH / 1000) + 60]);
  });

  test('30 to 60 seconds are left whenever it goes out, and there are two in a minute', () => {
    const who = authentication({});
    const tokens = new Set<string>();
    for (const end = now + 59_000; now < end; now += 100) {
      const token = tokenFor(who);
      tokens.add(token);
      expect(secondsLeft(token)).toBeGreaterThanOrEqual(30);
      expect(secondsLeft(token)).toBeLessThanOrEqual(60);
    }
    expect(tokens.size).toBe(2);
  });

  test('it ends with its session: with the absolute end, and with the idle one as this request moves it', () => {
    expect(secondsLeft(tokenFor(authentication({ absolute: 20 })))).toBeLessThanOrEqual(20);
    const idle = secondsLeft(tokenFor(authentication({ idle: 40, seenAgo: 30 })));
    expect(idle).toBeGreaterThan(30);
    expect(idle).toBeLessThanOrEqual(40);
  });
});
