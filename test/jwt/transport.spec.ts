import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { request, sendRaw } from '../http/support/raw.js';
import { parseSetCookie, type SetCookie } from '../support/cookie-jar.js';
import { type RegisteredRoute, recordRoutes } from '../support/registered-routes.js';
import type { TestApp } from '../support/test-app.js';
import { type Answer, PASSWORD, TestClient, newEmail } from '../support/test-client.js';
import { es256, taken } from './support/forge.js';
import {
  JWT_MODES,
  age,
  bare,
  databaseNow,
  devices,
  port,
  ringOf,
  signedIn,
  startApp,
  statementsDuring,
} from './support/jwt-app.js';

const PAGE = 'http://localhost:3000';
const OTHER_PAGE = 'https://app.example';
const NATIVE = 'capacitor://localhost';
const CORS = { CORS_ORIGINS: `${OTHER_PAGE},${NATIVE}`, JWT_REFRESH_BODY_ORIGINS: NATIVE };
const TOKEN = /^lkr_[A-Za-z0-9_-]{72}$/;
/** Where one begins; not the same four characters in the middle of another random text, as one JWT of 200,000 has them. */
const BEGINNING = /(?<![A-Za-z0-9_-])lkr_/;

const cookieOf = ({ setCookies }: Answer, name = 'rt'): SetCookie | undefined =>
  setCookies.map(parseSetCookie).find((cookie) => cookie.name === name);

/** All that a script of the page can see of an answer: body, headers, and cookies without HttpOnly. */
function readableBy(answer: Answer): string {
  const headers = [...answer.headers].filter(([name]) => name !== 'set-cookie').flat();
  const cookies = answer.setCookies.filter((line) => parseSetCookie(line).attributes.httponly === undefined);
  return [answer.text, ...headers, ...cookies].join('\n');
}

/** Where the refresh token went. */
function wentTo(answer: Answer): 'body' | 'cookie' | 'both' | 'nowhere' {
  const inBody = BEGINNING.test(answer.text);
  const inCookie = TOKEN.test(cookieOf(answer)?.value ?? '');
  if (inBody) return inCookie ? 'both' : 'body';
  return inCookie ? 'cookie' : 'nowhere';
}

describe.each(JWT_MODES)('AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  let routes: readonly RegisteredRoute[];
  let user: TestClient;
  beforeAll(async () => {
    const recorded = await recordRoutes(() => startApp({ mode, env: CORS }));
    app = recorded.result;
    // fetch sends everything but these.
    routes = recorded.routes.filter(({ method }) => method !== 'TRACE' && method !== 'CONNECT');
    user = await signedIn(app);
  });
  afterAll(() => app.close());

  const login = (fields: object, headers: Record<string, string> = {}): Promise<Answer> =>
    app
      .client()
      .post(
        '/auth/login',
        { email: user.email, password: PASSWORD, strategy: 'jwt', ...fields },
        { headers },
      );
  /** A page that holds its refresh token as a browser does, made without a password hash. */
  async function page(owner = user): Promise<TestClient> {
    const [device] = await devices(app, owner, 1);
    if (!device) throw new Error('no device');
    device.jar.set('rt', device.refreshToken ?? '');
    device.refreshToken = undefined;
    return device;
  }
  /** A user of its own, so that nobody else ends its sessions. Has no password that anybody knows. */
  async function stranger(): Promise<TestClient> {
    const client = app.client();
    await app.rows(
      `INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), $1, '$argon2id$none')`,
      [client.email],
    );
    return client;
  }
  const rtOf = (client: TestClient): string => client.jar.get('rt') ?? '';
  const counterOf = async ({ sessionId }: TestClient): Promise<number | undefined> =>
    (
      await app.rows<{ counter: number }>(
        `SELECT counter::int FROM credentials WHERE session_id = $1 AND strategy = 'jwt'`,
        [sessionId],
      )
    )[0]?.counter;
  const csrfOf = async (client: TestClient): Promise<string> => {
    const { body } = await client.copy().post('/auth/refresh', {}, { headers: { origin: PAGE } });
    return body.csrfToken;
  };

  describe('at sign-in', () => {
    test.each([
      ['a client that is no browser', {}, {}, 'body'],
      ['the same, asking for the body', {}, { refreshTransport: 'body' }, 'body'],
      ['the same, asking for the cookie', {}, { refreshTransport: 'cookie' }, 'cookie'],
      ['a page of our own origin', { origin: PAGE }, {}, 'cookie'],
      ['a page of a listed origin', { origin: OTHER_PAGE }, {}, 'cookie'],
      ['the same, asking for the cookie', { origin: OTHER_PAGE }, { refreshTransport: 'cookie' }, 'cookie'],
      [
        'a form of our own (no origin to tell)',
        { origin: 'null', 'sec-fetch-site': 'same-origin' },
        {},
        'cookie',
      ],
      ['a browser that says its site alone', { 'sec-fetch-site': 'same-origin' }, {}, 'cookie'],
      ['a browser that says a destination alone', { 'sec-fetch-dest': 'empty' }, {}, 'cookie'],
      ['an app that may hold it', { origin: NATIVE }, {}, 'cookie'],
      ['the same, asking for the body', { origin: NATIVE }, { refreshTransport: 'body' }, 'body'],
    ])('%s %j %j: %s', async (_, headers, fields, where) => {
      const answer = await login(fields, headers);
      expect([answer.status, wentTo(answer)]).toEqual([200, where]);
      expect('refreshToken' in answer.body).toBe(where === 'body');
      expect('csrfToken' in answer.body).toBe(where === 'cookie');
      expect(cookieOf(answer, 'CSRF-TOKEN') !== undefined).toBe(where === 'cookie');
    });

    test.each<Record<string, string>>([
      { origin: PAGE },
      { origin: OTHER_PAGE },
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-dest': 'empty' },
      { origin: 'null', 'sec-fetch-site': 'same-origin' },
    ])('a page %j that asks for the body is refused, and no session starts', async (headers) => {
      const sessions = await app.rows('SELECT id FROM sessions');
      const answer = await login({ refreshTransport: 'body' }, headers);
      expect([answer.status, answer.body.code, answer.setCookies]).toEqual([400, 'validation_failed', []]);
      expect(answer.body.errors).toMatchObject([{ path: 'refreshTransport' }]);
      expect(await app.rows('SELECT id FROM sessions')).toHaveLength(sessions.length);
      const email = newEmail();
      const signup = await app
        .client()
        .post('/auth/signup', { email, password: PASSWORD, refreshTransport: 'body' }, { headers });
      if (mode.startsWith('jwt')) expect(signup.status).toBe(400);
      expect(readableBy(signup)).not.toMatch(BEGINNING);
    });

    test.each([
      'Sec-Fetch-Site: none',
      'Sec-Fetch-Mode: navigate',
      'Sec-Fetch-Dest: document',
      'Sec-Fetch-User: ?1',
    ])('a request that says no more of a browser than %s gets the cookie', async (header) => {
      const body = JSON.stringify({ email: user.email, password: PASSWORD, strategy: 'jwt' });
      const headers = ['Content-Type: application/json', header, 'Connection: close'];
      const answer = await sendRaw(port(app), request('POST /auth/login', headers, body), {
        untilClosed: true,
      });
      expect(answer.status).toBe(200);
      expect(answer.body).not.toMatch(BEGINNING);
      expect(answer.text).toMatch(/^set-cookie: rt=lkr_/im);
    });

    test('a transport that is none, and a token at sign-in, are unknown fields', async () => {
      for (const fields of [
        { refreshTransport: 'header' },
        { refreshTransport: true },
        { refreshToken: 'lkr_x' },
      ]) {
        const { status, body } = await login(fields);
        expect([status, body.code]).toEqual([400, 'validation_failed']);
      }
    });

    test('CK01 the cookie: HttpOnly, SameSite=Strict, host-only, of the session unless remembered', async () => {
      const session = cookieOf(await login({}, { origin: PAGE }));
      expect(session?.attributes).toEqual({ path: '/', httponly: true, samesite: 'Strict' });
      const answer = await login({ remember: true }, { origin: PAGE });
      const attributes = cookieOf(answer)?.attributes ?? {};
      expect(attributes).toMatchObject({ path: '/', httponly: true, samesite: 'Strict' });
      expect(Number(attributes['max-age'])).toBeGreaterThan(30 * 86_400 - 60);
      expect(Number(attributes['max-age'])).toBeLessThanOrEqual(30 * 86_400);
      const csrf = cookieOf(answer, 'CSRF-TOKEN')?.attributes;
      expect(csrf).toMatchObject({ path: '/', samesite: 'Lax', 'max-age': attributes['max-age'] });
      expect(csrf).not.toHaveProperty('httponly');
    });

    test('POST /session never shows it, and takes no body transport', async () => {
      const credentials = { email: user.email, password: PASSWORD, strategy: 'jwt' };
      for (const headers of [{}, { origin: PAGE }, { origin: NATIVE }]) {
        const answer = await app.client().post('/session', credentials, { headers });
        expect([answer.status, BEGINNING.test(answer.text)]).toEqual([200, false]);
        expect(answer.body.token).toEqual(expect.any(String));
        const asked = { ...credentials, refreshTransport: 'body' };
        expect((await app.client().post('/session', asked, { headers })).status).toBe(400);
      }
    });

    test('the session of the cookie that a sign-in replaces ends with it', async () => {
      const old = await page();
      const answer = await old
        .copy()
        .post(
          '/auth/login',
          { email: user.email, password: PASSWORD, strategy: 'jwt' },
          { headers: { origin: PAGE } },
        );
      expect(wentTo(answer)).toBe('cookie');
      expect((await old.me()).status).toBe(401);
    });
  });

  test('no script of a page gets hold of a refresh token: every route, every field, every kind of page', async () => {
    const origins: Record<string, string>[] = [
      { origin: PAGE, 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'empty' },
      { origin: OTHER_PAGE, 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-origin' },
      { origin: NATIVE },
    ];
    const fields = (token: string): object[] => {
      const person = { email: user.email, password: PASSWORD };
      const options = [
        {},
        { refreshTransport: 'cookie' },
        { refreshTransport: 'body' },
        { refreshToken: token },
        { refreshToken: token, refreshTransport: 'cookie' },
        { refreshToken: token, refreshTransport: 'body' },
        { strategy: 'jwt' },
        { strategy: 'jwt', refreshToken: token },
        { strategy: 'session', refreshToken: token },
      ];
      return [...options, { ...person, refreshTransport: 'body' }, { ...person, strategy: 'jwt' }];
    };
    const swept = routes.filter(({ url, method }) => !url.startsWith('/docs') && method !== 'OPTIONS');
    expect(swept.length).toBeGreaterThan(15);
    const cookiesSet = new Set<string>();
    const seen: string[] = [];
    for (const { method, url } of swept) {
      const path = url.replace(':id', crypto.randomUUID()).replace('*', 'x');
      const bodies = method === 'GET' || method === 'HEAD' ? [undefined] : fields('').map((_, i) => i);
      await Promise.all(
        bodies.map(async (index) => {
          for (const [i, headers] of origins.entries()) {
            // Every kind of page with every field on our own; the others with a share of them.
            if (i > 0 && index !== undefined && index % origins.length !== i) continue;
            const client = await page(await stranger());
            await age(app, client);
            const body = index === undefined ? undefined : fields(rtOf(client))[index];
            const bearer = index === undefined || index % 2 ? {} : { authorization: undefined };
            const csrf = { 'x-csrf-token': undefined };
            const answer = await client.send(method, path, {
              body,
              headers: { ...headers, ...csrf, ...bearer },
            });
            // An app that may hold it gets back what it showed.
            const its = headers.origin === NATIVE && JSON.stringify(body ?? {}).includes('lkr_');
            if (!its && BEGINNING.test(readableBy(answer)))
              seen.push(`${method} ${url} ${JSON.stringify(body)}`);
            expect(answer.status).toBeLessThan(500);
            if (cookieOf(answer)) cookiesSet.add(`${method} ${url}`);
          }
        }),
      );
    }
    expect(seen).toEqual([]);
    // Had nobody been given one, nothing would have been tried.
    expect([...cookiesSet].sort()).toEqual(
      expect.arrayContaining(['POST /auth/login', 'POST /auth/refresh', 'POST /session']),
    );
  }, 120_000);

  describe('a refresh answers by the way that the token came', () => {
    test('cookie to cookie, from a page and from a client with a cookie jar', async () => {
      for (const headers of [{ origin: PAGE }, { origin: OTHER_PAGE }, { origin: NATIVE }]) {
        const client = await page();
        await age(app, client);
        const before = rtOf(client);
        const answer = await client.post('/auth/refresh', undefined, { headers });
        expect([answer.status, wentTo(answer)]).toEqual([200, 'cookie']);
        expect(rtOf(client)).not.toBe(before);
        expect(answer.body.csrfToken).toEqual(expect.any(String));
        expect(decodeURIComponent(cookieOf(answer, 'CSRF-TOKEN')?.value ?? '')).toBe(answer.body.csrfToken);
      }
      const client = await page();
      const csrf = await csrfOf(client);
      const answer = await client.post('/auth/refresh', {}, { headers: { 'x-csrf-token': csrf } });
      expect([answer.status, wentTo(answer)]).toEqual([200, 'cookie']);
    });

    test.each([
      ['a client that is no browser', {}, {}, 'body'],
      ['the same, asking for the cookie', {}, { refreshTransport: 'cookie' }, 'cookie'],
      ['an app that may hold it', { origin: NATIVE }, {}, 'body'],
      ['the same, asking for the cookie', { origin: NATIVE }, { refreshTransport: 'cookie' }, 'cookie'],
      ['a page, which may not', { origin: PAGE }, {}, 'cookie'],
      ['a page of a listed origin', { origin: OTHER_PAGE }, {}, 'cookie'],
    ])('body, from %s %j %j: %s', async (_, headers, fields, where) => {
      const [client] = await devices(app, user, 1);
      if (client) await age(app, client);
      const answer = await app
        .client()
        .post('/auth/refresh', { refreshToken: client?.refreshToken, ...fields }, { headers });
      expect([answer.status, wentTo(answer)]).toEqual([200, where]);
    });

    test('nobody can ask a refresh for the body', async () => {
      for (const headers of [{}, { origin: NATIVE }, { origin: PAGE }]) {
        const [client] = await devices(app, user, 1);
        const fields = { refreshToken: client?.refreshToken, refreshTransport: 'body' };
        const inBody = await app.client().post('/auth/refresh', fields, { headers });
        expect([inBody.status, inBody.body.code]).toEqual([400, 'validation_failed']);
        const jar = await page();
        const inCookie = await jar.post(
          '/auth/refresh',
          { refreshTransport: 'body' },
          { headers: { origin: PAGE } },
        );
        expect([inCookie.status, inCookie.setCookies]).toEqual([400, []]);
      }
    });

    test('CK04 two refresh cookies: the one that is ours counts, the newer of one session, two sessions are 400', async () => {
      const [one, two] = [await page(), await page()];
      const send = (cookie: string) =>
        new TestClient(app.url).post('/auth/refresh', {}, { headers: { cookie, origin: PAGE } });
      for (const cookie of [`rt=lkr_planted; rt=${rtOf(one)}`, `rt=${rtOf(one)}; rt=lkr_planted`]) {
        const answer = await send(cookie);
        expect([answer.status, answer.body.session?.id]).toEqual([200, one.sessionId]);
      }
      const both = await send(`rt=${rtOf(one)}; rt=${rtOf(two)}`);
      expect([both.status, both.body.code, both.setCookies]).toEqual([400, 'credential_conflict', []]);
      const older = rtOf(one);
      await age(app, one);
      await one.post('/auth/refresh', {}, { headers: { origin: PAGE } });
      await age(app, one);
      // The older alone would be a theft.
      expect((await send(`rt=${older}; rt=${rtOf(one)}`)).status).toBe(200);
      expect((await send('rt=lkr_a; rt=lkr_b')).status).toBe(401);
    });
  });

  describe('CSRF on a refresh by cookie', () => {
    const wrong = 'x'.repeat(86);
    test.each<[string, Record<string, string>, string]>([
      ['a listed origin', { origin: PAGE }, '200'],
      ['a listed origin, cross-site', { origin: OTHER_PAGE, 'sec-fetch-site': 'cross-site' }, '200'],
      ['no origin, same-origin', { 'sec-fetch-site': 'same-origin' }, '200'],
      ['null, same-origin', { origin: 'null', 'sec-fetch-site': 'same-origin' }, '200'],
      ['a foreign origin', { origin: 'https://evil.example' }, 'origin_not_allowed'],
      [
        'a foreign origin that says same-origin',
        { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
        'origin_not_allowed',
      ],
      ['several origins', { origin: `${PAGE}, https://evil.example` }, 'origin_not_allowed'],
      ['null', { origin: 'null' }, 'origin_not_allowed'],
      ['null, cross-site', { origin: 'null', 'sec-fetch-site': 'cross-site' }, 'origin_not_allowed'],
      ['same-site', { 'sec-fetch-site': 'same-site' }, 'csrf_failed'],
      ['cross-site', { 'sec-fetch-site': 'cross-site' }, 'csrf_failed'],
      ['typed by the user, without a token', { 'sec-fetch-site': 'none' }, 'csrf_failed'],
      ['nothing to judge by, without a token', {}, 'csrf_failed'],
      ['a wrong token in a row that needs none', { origin: PAGE, 'x-csrf-token': wrong }, 'csrf_failed'],
    ])('%s: %s', async (_, headers, outcome) => {
      const client = await page();
      await age(app, client);
      const answer = await client.post('/auth/refresh', {}, { headers });
      if (outcome === '200') {
        expect([answer.status, await counterOf(client)]).toEqual([200, 1]);
      } else {
        expect([answer.status, answer.body.code, answer.setCookies]).toEqual([403, outcome, []]);
        // Nothing was spent, and nobody was logged out.
        expect(await counterOf(client)).toBe(0);
        expect((await client.post('/auth/refresh', {}, { headers: { origin: PAGE } })).status).toBe(200);
      }
    });

    test('with its token where one is needed; not with the token of another session', async () => {
      const [client, other] = [await page(), await page()];
      const [mine, theirs] = [await csrfOf(client), await csrfOf(other)];
      for (const headers of [{}, { 'sec-fetch-site': 'none' }]) {
        const send = (csrf: string) =>
          client.copy().post('/auth/refresh', {}, { headers: { ...headers, 'x-csrf-token': csrf } });
        expect((await send(mine)).status).toBe(200);
        expect((await send(theirs)).body.code).toBe('csrf_failed');
      }
    });

    test('an Authorization header beside the cookie does not switch it off; a token in the body alone needs none', async () => {
      const client = await page();
      for (const authorization of [`Bearer ${client.accessToken}`, 'Basic eDp5', 'Bearer x.y.z']) {
        const answer = await client.copy().post('/auth/refresh', {}, { headers: { authorization } });
        expect([answer.status, answer.body.code]).toEqual([403, 'csrf_failed']);
      }
      const [holder] = await devices(app, user, 1);
      const byBody = await app.client().post('/auth/refresh', { refreshToken: holder?.refreshToken });
      expect(byBody.status).toBe(200);
      // A cookie that is none of ours is no credential.
      const planted = await app
        .client()
        .post(
          '/auth/refresh',
          { refreshToken: holder?.refreshToken },
          { headers: { cookie: 'rt=lkr_planted' } },
        );
      expect([planted.status, wentTo(planted)]).toEqual([200, 'body']);
    });
  });

  describe('logout by the refresh token alone', () => {
    async function dead(client: TestClient): Promise<void> {
      expect((await client.copy().me()).status).toBe(401);
      const token = client.refreshToken ?? rtOf(client);
      const { body } = await app.client().post('/auth/refresh', { refreshToken: token });
      expect(body.code).toBe('credential_invalid');
    }
    const expired = async (client: TestClient): Promise<string> => {
      const { header, claims } = taken(client.accessToken ?? '');
      const exp = Math.floor(await databaseNow(app)) - 100;
      return es256({ header, payload: { ...claims, exp } }, ringOf(app).signingKey().privateKey);
    };

    test.each([
      ['POST', '/auth/logout', 204],
      ['DELETE', '/session', 200],
    ])('%s %s: by cookie, and its cookies go', async (method, path, status) => {
      const client = await page();
      client.jar.set('CSRF-TOKEN', 'whatever');
      const answer = await client
        .copy()
        .send(method, path, { headers: { origin: PAGE, authorization: undefined } });
      expect(answer.status).toBe(status);
      for (const [name, attributes] of [
        ['rt', { path: '/', httponly: true, samesite: 'Strict', 'max-age': '0' }],
        ['CSRF-TOKEN', { path: '/', samesite: 'Lax', 'max-age': '0' }],
      ] as const) {
        const cookie = cookieOf(answer, name);
        expect([name, cookie?.value, cookie?.attributes]).toEqual([name, '', attributes]);
      }
      await dead(client);
      const again = await client.copy().send(method, path, { headers: { origin: PAGE } });
      expect([again.status, again.body.code]).toEqual([401, 'credential_invalid']);
      expect(cookieOf(again)?.attributes['max-age']).toBe('0');
    });

    test('by the body, and with an access token beside it that has merely expired', async () => {
      for (const beside of [false, true]) {
        const [client] = await devices(app, user, 1);
        if (!client) throw new Error('no device');
        const headers = beside ? { authorization: `Bearer ${await expired(client)}` } : {};
        const answer = await app
          .client()
          .post('/auth/logout', { refreshToken: client.refreshToken }, { headers });
        expect([answer.status, answer.setCookies]).toEqual([204, []]);
        await dead(client);
      }
      const client = await page();
      const headers = { authorization: `Bearer ${await expired(client)}`, origin: PAGE };
      expect((await client.copy().post('/auth/logout', {}, { headers })).status).toBe(204);
      await dead(client);
    });

    test('a forged access token beside it is 401, and the session lives', async () => {
      const [client] = await devices(app, user, 1);
      const forged = `${client?.accessToken?.slice(0, -6)}AAAAAA`;
      const answer = await app
        .client()
        .post(
          '/auth/logout',
          { refreshToken: client?.refreshToken },
          { headers: { authorization: `Bearer ${forged}` } },
        );
      expect([answer.status, answer.body.code]).toEqual([401, 'credential_invalid']);
      expect((await client?.me())?.status).toBe(200);
    });

    test('CS24 from a foreign page: 403, the session lives and the cookie stays', async () => {
      const client = await page();
      for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }, {}]) {
        const answer = await client.copy().post(
          '/auth/logout',
          {},
          {
            headers: { authorization: undefined, ...headers },
          },
        );
        expect([answer.status, answer.setCookies]).toEqual([403, []]);
      }
      expect((await client.me()).status).toBe(200);
      expect((await client.post('/auth/refresh', {}, { headers: { origin: PAGE } })).status).toBe(200);
    });
  });

  describe('RF15 the cookie is read on refresh, logout and exchange only', () => {
    test('anywhere else it is no credential, costs no query, and asks for no CSRF token', async () => {
      const client = await page();
      const cookie = `rt=${rtOf(client)}`;
      const own = ['/auth/refresh', '/auth/logout', '/auth/exchange', '/session'];
      const others = routes.filter(
        ({ url, method }) =>
          /^\/(auth|session|admin)/.test(url) && method !== 'OPTIONS' && !own.includes(url),
      );
      const statements = await statementsDuring(app, async () => {
        for (const { method, url } of others) {
          const path = url.replace(':id', crypto.randomUUID()).replace('*', 'x');
          const { status, body, setCookies } = await app.client().send(method, path, { headers: { cookie } });
          expect(setCookies).toEqual([]);
          if (status === 401 && body) expect(body.code).toBe('credential_missing');
          else expect([200, 400, 401, 404]).toContain(status);
        }
      });
      // The counts of earlier refusals are written by the clock.
      expect(statements.filter((sql) => !/^INSERT INTO audit_events/.test(sql))).toEqual([]);
      const foreign = {
        authorization: `Bearer ${client.accessToken}`,
        cookie,
        origin: 'https://evil.example',
      };
      const renamed = await app.client().send('PATCH', '/auth/me', { body: { name: 'x' }, headers: foreign });
      expect([renamed.status, renamed.headers.get('access-control-allow-origin')]).toEqual([200, null]);
      const csrf = await app.client().get('/auth/csrf', { headers: { cookie } });
      expect([csrf.body, csrf.setCookies]).toEqual([{ csrfToken: null }, []]);
    });

    test('a cookie of nobody is no obstacle to a good access token', async () => {
      const client = await page();
      for (const cookie of ['rt=lkr_x', 'rt=', 'rt="quoted"', 'rt=%E0%A4%A; rt=%00'])
        expect((await bare(app, { authorization: `Bearer ${client.accessToken}`, cookie })).status).toBe(200);
    });

    test('but a password change replaces it: the old value is dead, the new one works', async () => {
      const owner = await signedIn(app, { origin: PAGE });
      const before = owner.copy();
      const answer = await owner.post('/auth/password', {
        currentPassword: PASSWORD,
        newPassword: 'another unlikely phrase 2',
      });
      expect([answer.status, wentTo(answer)]).toEqual([204, 'cookie']);
      expect(rtOf(owner)).not.toBe(rtOf(before));
      await age(app, owner);
      const old = await before.refresh();
      expect([old.status, old.body.code]).toEqual([401, 'credential_invalid']);
      const refreshed = await owner.refresh();
      expect([refreshed.status, refreshed.body.session.id]).toEqual([200, before.sessionId]);
    });
  });
});

describe('by configuration', () => {
  test('https: __Host-rt, Secure; COOKIE_SAMESITE=none: None and Partitioned; the plain name is not read', async () => {
    const origin = 'https://id.example';
    const app = await startApp({ mode: 'jwt', env: { PUBLIC_ORIGIN: origin, COOKIE_SAMESITE: 'none' } });
    const client = app.client({ origin });
    const answer = await client.signup();
    const cookie = cookieOf(answer, '__Host-rt');
    expect(cookie?.value).toMatch(TOKEN);
    expect(cookie?.attributes).toEqual({
      path: '/',
      httponly: true,
      secure: true,
      samesite: 'None',
      partitioned: true,
    });
    expect(cookieOf(answer)).toBeUndefined();
    expect((await client.refresh()).status).toBe(200);
    const plain = await app
      .client()
      .post('/auth/refresh', {}, { headers: { cookie: `rt=${cookie?.value}`, origin } });
    expect(plain.body.code).toBe('credential_missing');
    const gone = await client.copy().logout();
    expect(cookieOf(gone, '__Host-rt')?.attributes).toEqual({ ...cookie?.attributes, 'max-age': '0' });
    await app.close();
  });

  test('CSRF_TOKEN=always: a listed origin needs the token too', async () => {
    const app = await startApp({ mode: 'jwt', env: { CSRF_TOKEN: 'always' } });
    const client = app.client({ origin: PAGE });
    await client.signup();
    const without = await client.copy().post('/auth/refresh', {}, { headers: { 'x-csrf-token': undefined } });
    expect([without.status, without.body.code]).toEqual([403, 'csrf_failed']);
    expect((await client.copy().refresh()).status).toBe(200);
    await app.close();
  });
});
