import { sign } from 'cookie-signature';
import { request as rawRequest, sendRaw } from '../http/support/raw.js';
import { parseSetCookie } from '../support/cookie-jar.js';
import { TestApp } from '../support/test-app.js';
import { PASSWORD } from '../support/test-client.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';
import { type MintedSession, mintSession, mintSessions, mintTokens, mintUser } from './support/minted.js';
import { wire } from './support/wire.js';

const DAY = 86_400;
const REMEMBER_SECONDS = 30 * DAY;

/** Name -> attributes of the cookies of an answer. */
function attributesOf(setCookies: readonly string[]): Record<string, unknown> {
  const parsed = setCookies.map(parseSetCookie);
  expect(new Set(parsed.map(({ name }) => name)).size).toBe(parsed.length);
  return Object.fromEntries(parsed.map(({ name, attributes }) => [name, attributes]));
}

/** The value of the cookie pair `name=value`. */
function valueOf({ cookie }: MintedSession): string {
  return cookie.slice(cookie.indexOf('=') + 1);
}

async function me(app: TestApp, cookie: string | undefined) {
  return wire(app.url, 'GET', '/auth/me', { headers: { cookie } });
}

describe('CK01 names and attributes', () => {
  const COMBINATIONS = [
    ['http://localhost:3000', ['strict', 'lax']],
    ['https://auth.example.com', ['strict', 'lax', 'none']],
  ].flatMap(([origin, sameSites]) =>
    [sameSites ?? []].flat().flatMap((sameSite) => [
      { origin: String(origin), sameSite, proxies: '0' },
      { origin: String(origin), sameSite, proxies: '1' },
    ]),
  );
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  test.each(COMBINATIONS)(
    '$origin, SameSite=$sameSite, TRUST_PROXY=$proxies: CK03 whatever the connection and its headers look like',
    async ({ origin, sameSite, proxies }) => {
      const env = { PUBLIC_ORIGIN: origin, COOKIE_SAMESITE: sameSite, TRUST_PROXY: proxies };
      const app = await TestApp.start({ mode: 'session,jwt', env, database });
      const isHttps = origin.startsWith('https:');
      const name = (base: string) => (isHttps ? `__Host-${base}` : base);
      const capitals = { strict: 'Strict', lax: 'Lax', none: 'None' }[sameSite];
      const shared = {
        path: '/',
        ...(isHttps && { secure: true }),
        ...(sameSite === 'none' && { partitioned: true }),
      };
      const csrf = { ...shared, samesite: capitals };
      const sid = { ...csrf, httponly: true };
      const rt = { ...shared, samesite: sameSite === 'none' ? 'None' : 'Strict', httponly: true };
      const lies = {
        'x-forwarded-proto': isHttps ? 'http' : 'https',
        'x-forwarded-host': 'evil.example',
        forwarded: `for=192.0.2.1;proto=${isHttps ? 'http' : 'https'};host=evil.example`,
      };
      const { email } = await mintUser(app);
      for (const [strategy, base, attributes] of [
        ['session', 'sid', sid],
        ['jwt', 'rt', rt],
      ] as const) {
        for (const remember of [false, true]) {
          const login = await wire(app.url, 'POST', '/auth/login', {
            headers: { ...lies, origin, 'sec-fetch-site': 'same-origin' },
            body: { email, password: PASSWORD, strategy, remember },
          });
          expect(login.status).toBe(200);
          expect(login.body.refreshToken).toBeUndefined();
          const maxAge = remember ? { 'max-age': expect.stringMatching(/^\d+$/) } : {};
          const set = attributesOf(login.setCookies);
          expect(set).toEqual({
            [name(base)]: { ...attributes, ...maxAge },
            'CSRF-TOKEN': { ...csrf, ...maxAge },
          });
          for (const line of login.setCookies) {
            const seconds = Number(parseSetCookie(line).attributes['max-age'] ?? REMEMBER_SECONDS);
            expect(seconds).toBeGreaterThan(REMEMBER_SECONDS - 60);
            expect(seconds).toBeLessThanOrEqual(REMEMBER_SECONDS);
          }

          const cookie = login.setCookies.map((line) => line.split(';')[0]).join('; ');
          const headers = { ...lies, cookie, origin, 'sec-fetch-site': 'same-origin' };
          if (base === 'sid') {
            const renewed = await wire(app.url, 'GET', '/auth/csrf', { headers });
            expect(attributesOf(renewed.setCookies)).toEqual({ 'CSRF-TOKEN': { ...csrf, ...maxAge } });
          }
          const gone = { 'max-age': '0' };
          const expired = { [name(base)]: { ...attributes, ...gone }, 'CSRF-TOKEN': { ...csrf, ...gone } };
          for (const status of [204, 401]) {
            const logout = await wire(app.url, 'POST', '/auth/logout', { headers });
            expect(logout.status).toBe(status);
            expect(attributesOf(logout.setCookies)).toEqual(expired);
          }
        }
      }
      await app.close();
    },
  );

  test('Max-Age reaches to the longest absolute end that may be configured, 400 days, and no further', async () => {
    const env = { SESSION_REMEMBER_ABSOLUTE_TTL: '400d', SESSION_REMEMBER_IDLE_TTL: '400d' };
    const app = await TestApp.start({ mode: 'session', env, database });
    const { email } = await mintUser(app);
    const { setCookies } = await wire(app.url, 'POST', '/auth/login', {
      body: { email, password: PASSWORD, remember: true },
    });
    for (const line of setCookies) {
      expect(Number(parseSetCookie(line).attributes['max-age'])).toBeLessThanOrEqual(400 * DAY);
      expect(Number(parseSetCookie(line).attributes['max-age'])).toBeGreaterThan(400 * DAY - 60);
    }
    await app.close();
  });

  test('on https the names without the prefix, which any sibling host could plant, count for nothing', async () => {
    const app = await TestApp.start({
      mode: 'session,jwt',
      env: { PUBLIC_ORIGIN: 'https://auth.example.com' },
      database,
    });
    const session = await mintSession(app);
    expect((await me(app, session.cookie)).status).toBe(200);
    const bare = await me(app, session.cookie.replace('__Host-', ''));
    expect([bare.status, bare.body.code]).toEqual([401, 'credential_missing']);
    const beside = await me(app, `sid=planted; ${session.cookie}`);
    expect(beside.status).toBe(200);
    await app.close();
  });
});

describe.each(['session', 'session,jwt', 'jwt,session'])('AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  let alice: MintedSession;
  let bob: MintedSession;
  beforeAll(async () => {
    app = await TestApp.start({ mode });
    alice = await mintSession(app);
    bob = await mintSession(app);
  });
  afterAll(async () => {
    expect((await wire(app.url, 'GET', '/health/live')).status).toBe(200);
    await app.close();
  });

  /** A sign-in that gets the session cookie. */
  async function signedIn() {
    const client = app.client();
    client.email = (await mintUser(app)).email;
    expect((await client.login({ strategy: 'session' })).status).toBe(200);
    return client;
  }

  test('CK04 of two cookies the one that verifies counts, in both orders', async () => {
    for (const planted of [
      'planted',
      `s%3A${'A'.repeat(43)}.${'B'.repeat(43)}`,
      '',
      valueOf(bob).slice(0, -1),
    ]) {
      for (const cookie of [`sid=${planted}; ${alice.cookie}`, `${alice.cookie}; sid=${planted}`]) {
        const answer = await me(app, cookie);
        expect([answer.status, answer.body.id]).toEqual([200, alice.userId]);
      }
    }
    expect((await me(app, `${alice.cookie}; ${alice.cookie}`)).status).toBe(200);
    expect((await me(app, 'sid=planted; sid=another')).status).toBe(401);
  });

  test('CK04 two that verify for different sessions are 400, in both orders, and nobody is logged out', async () => {
    const [second] = await mintSessions(app, [alice.userId]);
    for (const other of [bob.cookie, second?.cookie]) {
      for (const cookie of [`${alice.cookie}; ${other}`, `${other}; ${alice.cookie}`]) {
        for (const [method, path] of [
          ['GET', '/auth/me'],
          ['POST', '/auth/logout'],
          ['DELETE', '/session'],
        ] as const) {
          const answer = await wire(app.url, method, path, { headers: { cookie } });
          expect([answer.status, answer.body.code]).toEqual([400, 'credential_conflict']);
          expect(answer.setCookies).toEqual([]);
        }
      }
    }
    expect((await me(app, alice.cookie)).status).toBe(200);
    expect((await me(app, bob.cookie)).status).toBe(200);
  });

  /** The two halves of a cookie value: the random id and its signature. */
  const halves = (session: MintedSession): [string, string] => {
    const [id = '', signature = ''] = decodeURIComponent(valueOf(session)).slice(2).split('.');
    return [id, signature];
  };
  const id = () => halves(alice)[0];
  const signature = () => halves(alice)[1];
  const VARIANTS: [string, () => string][] = [
    ['quoted', () => `"${valueOf(alice)}"`],
    [
      'base64url instead of base64 in the signature',
      () => {
        const changed = signature().replaceAll('+', '-').replaceAll('/', '_');
        return `s%3A${id()}.${changed === signature() ? `${changed}_` : changed}`;
      },
    ],
    ['padded', () => `${valueOf(alice)}%3D`],
    ['padded id', () => encodeURIComponent(`s:${id()}=.${signature()}`)],
    ['a percent sign that escapes nothing', () => `${valueOf(alice)}%`],
    ['%E0%A4%A', () => '%E0%A4%A'],
    ['its own value after %E0%A4%A', () => `%E0%A4%A${valueOf(alice)}`],
    ['encoded twice', () => encodeURIComponent(valueOf(alice))],
    ['a NUL', () => `${valueOf(alice)}%00`],
    ['without the signature', () => `s%3A${id()}`],
    ['with an empty signature', () => `s%3A${id()}.`],
    ['unsigned', () => id()],
    ['an empty id, signed by nobody', () => `s%3A.${encodeURIComponent(signature())}`],
    ['one letter short', () => valueOf(alice).slice(0, -1)],
    ['one letter more', () => `${valueOf(alice)}A`],
    [
      'CK12 the id of one session with the signature of another',
      () => {
        return encodeURIComponent(`s:${id()}.${halves(bob)[1]}`);
      },
    ],
    ['signed with an empty key', () => encodeURIComponent(`s:${sign(id(), '')}`)],
    [
      'a signed id that nobody has',
      () => {
        const key = app.config.secrets[0].derive('session-cookie').toString('base64url');
        return encodeURIComponent(`s:${sign('A'.repeat(43), key)}`);
      },
    ],
    ['an empty value', () => ''],
    ['JSON of express-session', () => encodeURIComponent('j:{"cookie":{}}')],
    ['__proto__', () => '__proto__'],
    ['an array', () => encodeURIComponent('s:["a","b"]')],
  ];
  test.each(VARIANTS)('CK06 %s is 401, no 500 and no cookie', async (_, make) => {
    const answer = await me(app, `sid=${make()}`);
    expect([answer.status, answer.body.code, answer.setCookies]).toEqual([401, 'credential_invalid', []]);
  });

  test('CK07 a value of 4,097 bytes, 300 cookies, 20 KB of cookies', async () => {
    const long = await me(app, `sid=${'A'.repeat(4097)}`);
    expect([long.status, long.setCookies]).toEqual([401, []]);
    const many = Array.from({ length: 300 }, (_, i) => `c${i}=${i}`).join('; ');
    expect((await me(app, `${many}; ${alice.cookie}`)).status).toBe(200);
    expect((await me(app, many)).body.code).toBe('credential_missing');
    const duplicates = Array.from({ length: 300 }, (_, i) => `sid=${i}`).join('; ');
    expect((await me(app, `${duplicates}; ${alice.cookie}`)).status).toBe(200);
    const huge = await me(app, `sid=${'A'.repeat(20_000)}`);
    expect([huge.status, huge.body.code]).toEqual([431, 'headers_too_large']);
  });

  test('CK09 line ends are refused by the parser; semicolons and raw bytes are ignored', async () => {
    const port = Number(new URL(app.url).port);
    const send = (cookie: string | Buffer) =>
      sendRaw(
        port,
        Buffer.concat([
          Buffer.from('GET /auth/me HTTP/1.1\r\nHost: localhost\r\nCookie: '),
          Buffer.from(cookie),
          Buffer.from('\r\n\r\n'),
        ]),
      );
    for (const broken of [`sid=a\rb`, `sid=a\nb`, `sid=a\r\nX-Injected`, 'sid=\0']) {
      const answer = await send(broken);
      expect([answer.status, answer.headers.get('set-cookie')]).toEqual([400, undefined]);
    }
    for (const odd of [
      'sid=é',
      'sid=日本',
      Buffer.from([0x73, 0x69, 0x64, 0x3d, 0xff, 0xfe]),
      'sid',
      ';;;',
      '=',
      '; sid=;',
    ]) {
      const answer = await send(odd);
      expect([answer.status, answer.headers.get('set-cookie')]).toEqual([401, undefined]);
    }
    const accepted = await send(`;; ;${alice.cookie};;`);
    expect(accepted.status).toBe(200);
    const twoLines = await sendRaw(
      port,
      rawRequest('GET /auth/me', ['Cookie: other=1', `Cookie: ${alice.cookie}`]),
    );
    expect(twoLines.status).toBe(200);
  });

  test('only the exact name counts', async () => {
    for (const name of ['SID', 'sid ', '__Host-sid', 'xsid', 'sid2', '"sid"']) {
      const answer = await me(
        app,
        `${name}x=1; ${alice.cookie.replace('sid', name.trim() === 'sid' ? 'Sid' : name)}`,
      );
      expect([answer.status, answer.body.code]).toEqual([401, 'credential_missing']);
    }
  });

  test('CK13 no refusal touches a cookie', async () => {
    const client = await signedIn();
    const { cookie } = client.credentials;
    const post = (path: string, body: unknown, more = {}) =>
      wire(app.url, 'POST', path, { headers: { cookie, ...more }, body });
    const csrf = { 'x-csrf-token': client.csrfToken };
    const answers = await Promise.all([
      post('/auth/login', '{'),
      post('/auth/login', {}),
      post('/auth/login', { email: client.email, password: 'not this one at all' }),
      post('/auth/login', { email: client.email, password: PASSWORD }, { origin: 'https://evil.example' }),
      post('/auth/signup', { email: client.email, password: PASSWORD }),
      post('/auth/logout', undefined, { origin: 'https://evil.example' }),
      post('/auth/logout', undefined),
      post(
        '/auth/password',
        { currentPassword: 'no no no no no', newPassword: 'another unlikely one' },
        csrf,
      ),
      post('/auth/password', { currentPassword: PASSWORD, newPassword: 'short' }, csrf),
      post('/auth/me', {}, csrf),
      post('/auth/nowhere', {}, csrf),
      post('/auth/login', `{"email":"${'a'.repeat(20_000)}"}`),
      post('/auth/login', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
      wire(app.url, 'DELETE', '/auth/sessions/nonsense', { headers: { cookie, ...csrf } }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([
      400, 400, 401, 403, 409, 403, 403, 403, 400, 405, 404, 413, 415, 404,
    ]);
    for (const { setCookies } of answers) expect(setCookies).toEqual([]);
    expect((await client.me()).status).toBe(200);
  });

  test.each([
    ['POST', '/auth/logout', 204],
    ['DELETE', '/session', 200],
  ] as const)(
    'SF09 %s %s expires the cookies that it was sent, also when it answers 401; others it leaves alone',
    async (method, path, done) => {
      const client = await signedIn();
      const names = (lines: readonly string[]) => lines.map((line) => parseSetCookie(line).name).sort();
      const copy = client.copy();
      const first = await client.send(method, path);
      expect([first.status, names(first.setCookies)]).toEqual([done, ['CSRF-TOKEN', 'sid']]);
      for (const line of first.setCookies) {
        expect(parseSetCookie(line).attributes).toMatchObject({ 'max-age': '0', path: '/', samesite: 'Lax' });
      }
      expect(client.jar.names).toEqual([]);
      expect((await copy.me()).status).toBe(401);
      const again = await copy.send(method, path);
      expect([again.status, again.body.code, names(again.setCookies)]).toEqual([
        401,
        'credential_invalid',
        ['CSRF-TOKEN', 'sid'],
      ]);
      const nothing = await wire(app.url, method, path);
      expect([nothing.status, nothing.setCookies]).toEqual([401, []]);
      const foreign = await wire(app.url, method, path, { headers: { cookie: 'theme=dark; other=1' } });
      expect([foreign.status, foreign.setCookies]).toEqual([401, []]);
    },
  );

  test('SF06 a password change replaces the cookie: the old value is dead, the session and its id go on', async () => {
    const client = await signedIn();
    const before = client.copy();
    const answer = await client.post('/auth/password', {
      currentPassword: PASSWORD,
      newPassword: 'another unlikely phrase 2',
    });
    expect(answer.status).toBe(204);
    expect(answer.setCookies.map((line) => parseSetCookie(line).name)).toEqual(['sid', 'CSRF-TOKEN']);
    expect(client.jar.get('sid')).not.toBe(before.jar.get('sid'));
    expect((await before.me()).status).toBe(401);
    const session = await client.get('/session');
    expect([session.status, session.body.sessionId]).toEqual([200, before.sessionId]);
    expect((await client.me()).status).toBe(200);
  });

  test.each([
    ['idle', "idle_expires_at = now() - interval '1 second'"],
    ['absolute', "expires_at = now() - interval '1 second'"],
  ])('a cookie past the %s limit is 401 credential_expired and stays in the browser', async (_, change) => {
    const session = await mintSession(app);
    await app.rows(`UPDATE sessions SET ${change} WHERE id = $1`, [session.id]);
    const answer = await me(app, session.cookie);
    expect([answer.status, answer.body.code, answer.setCookies]).toEqual([401, 'credential_expired', []]);
    const csrf = await wire(app.url, 'GET', '/auth/csrf', { headers: { cookie: session.cookie } });
    expect([csrf.status, csrf.body, csrf.setCookies]).toEqual([200, { csrfToken: null }, []]);
  });

  describe('a login that cannot deliver its cookie is no login', () => {
    const live = `SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL AND expires_at > now()`;

    /** What a failure of the database in the middle of a login leads to. */
    async function failingLogin(sabotage: string, repair: string): Promise<void> {
      const user = await mintUser(app);
      const [old] = await mintSessions(app, [user.id]);
      await app.rows(sabotage);
      try {
        for (const path of ['/auth/login', '/session']) {
          const answer = await wire(app.url, 'POST', path, {
            headers: { 'x-csrf-token': undefined },
            body: { email: user.email, password: PASSWORD, strategy: 'session' },
          });
          expect([answer.status, answer.body.code, answer.setCookies]).toEqual([503, 'unavailable', []]);
          expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
        }
        const signup = await wire(app.url, 'POST', '/auth/signup', {
          body: { email: `new.${user.email}`, password: PASSWORD },
        });
        if (mode.startsWith('session')) expect([signup.status, signup.setCookies]).toEqual([503, []]);
      } finally {
        await app.rows(repair);
      }
      expect(await app.rows(live, [user.id])).toEqual([{ id: old?.id }]);
      const after = await wire(app.url, 'POST', '/auth/login', {
        body: { email: user.email, password: PASSWORD, strategy: 'session' },
      });
      expect(after.status).toBe(200);
    }

    const raising = (table: string, when: string, state: string) => `
      CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'sabotage' USING ERRCODE = '${state}'; END $$;
      CREATE TRIGGER sabotage ${when} INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION sabotage()`;

    test.each([
      ['the credential, server going down', raising('credentials', 'BEFORE', '57P01')],
      ['the credential, disk full', raising('credentials', 'BEFORE', '53100')],
      ['the credential, read-only', raising('credentials', 'AFTER', '25006')],
      ['the session, read-only', raising('sessions', 'AFTER', '25006')],
    ])('the database fails at %s', async (_, sabotage) => {
      await failingLogin(sabotage, 'DROP FUNCTION sabotage() CASCADE');
    });

    test('trap 1: the credential cannot be written because nothing was answered in time', async () => {
      const user = await mintUser(app);
      const holding = await app.sql.connect();
      await holding.query('BEGIN');
      await holding.query('LOCK TABLE credentials IN SHARE MODE');
      const answer = await wire(app.url, 'POST', '/auth/login', {
        body: { email: user.email, password: PASSWORD, strategy: 'session' },
      });
      await holding.query('ROLLBACK');
      holding.release();
      expect([answer.status, answer.setCookies]).toEqual([503, []]);
      expect(await app.rows(live, [user.id])).toEqual([]);
    });
  });
});

describe('KR02, CK10 rotation of APP_SECRET', () => {
  const [old, next] = ['1', '2'].map((digit) => Buffer.from(digit.repeat(32)).toString('base64'));
  const STEPS = [`${old}`, `${old},${next}`, `${next},${old}`, `${next}`];
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase();
  });
  afterEach(() => database.drop());

  test.each(['session', 'session,jwt', 'jwt'])(
    'AUTH_MODE=%s: two nodes at neighbouring steps take each other’s cookies, and CS20 KR03 CSRF tokens',
    async (mode) => {
      const nodes: TestApp[] = [];
      for (const APP_SECRET of STEPS)
        nodes.push(await TestApp.start({ mode, env: { APP_SECRET }, database }));
      const [first] = nodes;
      if (!first) throw new Error('no node');
      const user = await mintUser(first);
      const origin = 'http://localhost:3000';
      const browsers = [];
      for (const node of nodes) {
        const browser = node.client({ origin });
        browser.email = user.email;
        expect((await browser.login()).status).toBe(200);
        browsers.push(browser);
      }
      for (const [signedAt, browser] of browsers.entries()) {
        for (const [seenAt, node] of nodes.entries()) {
          // What signs at a step is accepted one step before and after it; `old` is out at the last, `new` unknown at the first.
          const signsNew = signedAt >= 2;
          const accepted = signsNew ? seenAt >= 1 : seenAt <= 2;
          const there = browser.copy(node.url);
          const headers = { cookie: there.jar.header, 'x-csrf-token': there.csrfToken };
          const answer =
            mode === 'jwt'
              ? await wire(node.url, 'POST', '/auth/refresh', { headers })
              : await wire(node.url, 'PATCH', '/auth/me', { headers, body: { name: 'Ann' } });
          expect([signedAt, seenAt, answer.status]).toEqual([signedAt, seenAt, accepted ? 200 : 401]);
          if (!accepted) expect(answer.setCookies).toEqual([]);
        }
      }
      for (const node of nodes.reverse()) await node.close();
    },
    60_000,
  );

  test('CS20 a CSRF token made under the old secret is good in the overlap and 403 once the secret is out', async () => {
    const [before, overlap, after] = [STEPS[0], STEPS[2], STEPS[3]].map((APP_SECRET) =>
      TestApp.start({ mode: 'session', env: { APP_SECRET }, database }),
    );
    const [a, b, c] = [await before, await overlap, await after];
    if (!a || !b || !c) throw new Error('no node');
    const old = await mintSession(a);
    const { csrfToken } = (await wire(a.url, 'GET', '/auth/csrf', { headers: { cookie: old.cookie } })).body;
    const patch = (node: TestApp, cookie: string, token: string) =>
      wire(node.url, 'PATCH', '/auth/me', {
        headers: { cookie, 'x-csrf-token': token },
        body: { name: 'B' },
      });
    expect((await patch(b, old.cookie, csrfToken)).status).toBe(200);
    // The same session by a cookie of the new secret, so that only the token is of the old one.
    const [id = ''] = decodeURIComponent(valueOf(old)).slice(2).split('.');
    const key = c.config.secrets[0].derive('session-cookie').toString('base64url');
    const cookie = `sid=${encodeURIComponent(`s:${sign(id, key)}`)}`;
    const refused = await patch(c, cookie, csrfToken);
    expect([refused.status, refused.body.code]).toEqual([403, 'csrf_failed']);
    const renewed = await wire(c.url, 'GET', '/auth/csrf', { headers: { cookie } });
    expect((await patch(c, cookie, renewed.body.csrfToken)).status).toBe(200);
    for (const node of [c, b, a]) await node.close();
  });
});

describe('refresh cookies', () => {
  test.each(['jwt', 'session,jwt', 'jwt,session'])(
    'AUTH_MODE=%s: CK04, CK06 and rule 5 hold for them',
    async (mode) => {
      const app = await TestApp.start({ mode });
      const [one, two] = [await mintSession(app), await mintSession(app)];
      const tokens = [await mintTokens(app, one.id), await mintTokens(app, two.id)];
      const [a, b] = tokens.map(({ refreshToken }) => `rt=${refreshToken}`);
      const post = (path: string, cookie: string) =>
        wire(app.url, 'POST', path, { headers: { cookie, origin: 'http://localhost:3000' } });

      for (const cookie of [`${a}; ${b}`, `${b}; ${a}`]) {
        for (const path of ['/auth/refresh', '/auth/logout']) {
          const answer = await post(path, cookie);
          expect([answer.status, answer.body.code, answer.setCookies]).toEqual([
            400,
            'credential_conflict',
            [],
          ]);
        }
      }
      for (const bad of [
        'rt=',
        'rt=lkr_',
        'rt=planted',
        `rt="${tokens[0]?.refreshToken}"`,
        `${a}=`,
        `${a}A`,
        `${a?.slice(0, -1)}`,
        'rt=%E0%A4%A',
      ]) {
        const answer = await post('/auth/refresh', bad);
        expect([bad, answer.status, answer.body.code, answer.setCookies]).toEqual([
          bad,
          401,
          'credential_invalid',
          [],
        ]);
      }
      for (const cookie of [`rt=planted; ${a}`, `${b}; rt=lkr_planted`]) {
        expect((await post('/auth/refresh', cookie)).status).toBe(200);
      }
      const answer = await post('/auth/logout', `rt=planted; other=1`);
      expect([answer.status, attributesOf(answer.setCookies)]).toEqual([
        401,
        {
          rt: { path: '/', httponly: true, samesite: 'Strict', 'max-age': '0' },
          'CSRF-TOKEN': { path: '/', samesite: 'Lax', 'max-age': '0' },
        },
      ]);
      await app.close();
    },
  );

  test('CK15 jwt mode has no session cookie: a browser gets rt and CSRF-TOKEN, others no cookie, and a sid is not looked at', async () => {
    const app = await TestApp.start({ mode: 'jwt' });
    const session = await mintSession(app);
    const { email } = await mintUser(app);
    const login = (headers: Record<string, string>) =>
      wire(app.url, 'POST', '/auth/login', { headers, body: { email, password: PASSWORD } });
    const page = await login({ origin: 'http://localhost:3000', cookie: session.cookie });
    expect(Object.keys(attributesOf(page.setCookies)).sort()).toEqual(['CSRF-TOKEN', 'rt']);
    expect((await login({})).setCookies).toEqual([]);
    const counter = app.countQueries();
    const ignored = await me(app, session.cookie);
    expect([ignored.status, ignored.body.code, counter.count]).toEqual([401, 'credential_missing', 0]);
    counter.stop();
    const logout = await wire(app.url, 'POST', '/auth/logout', { headers: { cookie: session.cookie } });
    expect([logout.status, logout.setCookies]).toEqual([401, []]);
    expect(await app.rows('SELECT ended_at FROM sessions WHERE id = $1', [session.id])).toEqual([
      { ended_at: null },
    ]);
    await app.close();
  });
});
