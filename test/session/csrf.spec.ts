import { randomBytes } from 'node:crypto';
import { parseSetCookie } from '../support/cookie-jar.js';
import { TestApp } from '../support/test-app.js';
import { PASSWORD } from '../support/test-client.js';
import {
  type MintedSession,
  csrfTokenFor,
  mintSession,
  mintSessions,
  mintTokens,
  mintUser,
} from './support/minted.js';
import { type WireHeaders, wire } from './support/wire.js';

const OWN = 'http://localhost:3000';
const LISTED = 'https://app.example.com';
const ENV = { CORS_ORIGINS: `${LISTED},capacitor://localhost` };

/** What decides, as the columns of the table in the contract. Undefined: the header is not sent. */
type Value = string | readonly string[] | undefined;
type Outcome = 'pass' | 'token' | 'csrf_failed' | 'origin_not_allowed';

const SITES: Value[] = ['same-origin', 'same-site', 'cross-site', 'none', 'sideways', '', undefined];
const NOT_SAME: Value[] = [
  'same-site',
  'cross-site',
  'sideways',
  '',
  'Same-Origin',
  ['same-origin', 'same-origin'],
  'same-origin, none',
];
const LISTED_ORIGINS: Value[] = [
  OWN,
  LISTED,
  'capacitor://localhost',
  'http://127.0.0.1:3000',
  'http://[::1]:3000',
  'HTTP://LOCALHOST:3000',
  'https://APP.example.com',
];
const FOREIGN_ORIGINS: Value[] = [
  'https://evil.example',
  'http://localhost:3001',
  'http://localhost',
  'https://localhost:3000',
  'http://localhost:3000.evil.example',
  'http://evil.localhost:3000',
  'http://localhost:3000/',
  'http://user@localhost:3000',
  'http://appxexample.com',
  'https://app.example.com.evil.example',
  'http://app.example.com',
  'file://',
  'undefined',
  '',
  'NULL',
  [OWN, OWN],
  [OWN, 'https://evil.example'],
  ['null', 'null'],
  `${OWN}, ${OWN}`,
  `${OWN} https://evil.example`,
];

/** The table of contract 5, first match first: what holds in (a), beside a live cookie, and in (b), on a sign-in. */
const TABLE: [string, Value[], Value[], Outcome, Outcome][] = [
  ['a listed origin, any site', LISTED_ORIGINS, SITES, 'pass', 'pass'],
  ['CS03 no origin or null, same-origin', ['null', undefined], ['same-origin'], 'pass', 'pass'],
  [
    'CS04 CS08 CS09 a foreign origin, any site',
    FOREIGN_ORIGINS,
    SITES,
    'origin_not_allowed',
    'origin_not_allowed',
  ],
  [
    'CS05 null, another site or none told',
    ['null'],
    [...NOT_SAME, 'none', undefined],
    'origin_not_allowed',
    'origin_not_allowed',
  ],
  ['CS03 no origin, site none', [undefined], ['none'], 'token', 'pass'],
  ['CS01 CS02 no origin, another site', [undefined], NOT_SAME, 'csrf_failed', 'csrf_failed'],
  ['CS06 neither', [undefined], [undefined], 'token', 'pass'],
];

const headersOf = (origin: Value, site: Value): WireHeaders => ({
  ...(origin !== undefined && { origin }),
  ...(site !== undefined && { 'sec-fetch-site': site }),
});

/** Values that are no token of the session. CS15 missing is a row of its own. */
const wrongTokens = (app: TestApp, session: MintedSession, others: MintedSession[]): Value[] => {
  const right = csrfTokenFor(app, session.id);
  return [
    '',
    'x',
    'undefined',
    'A'.repeat(86),
    randomBytes(64).toString('base64url'),
    right.slice(0, -2),
    `${right}AA`,
    right.toUpperCase(),
    `"${right}"`,
    [right, right],
    ...others.map(({ id }) => csrfTokenFor(app, id)),
  ];
};

/** Where a request with a live cookie credential is judged, and what it answers when it passes. */
interface Target {
  readonly app: TestApp;
  readonly send: (headers: WireHeaders) => ReturnType<typeof wire>;
  readonly passed: number;
}

/** Every origin and every site of a row; all pairs of the first two origins, and two sites with each other one. */
function pairsOf([, origins, sites]: (typeof TABLE)[number]): [Value, Value][] {
  return origins.flatMap((origin, i) =>
    (i < 2 ? sites : [sites[i % sites.length], sites.at(-1)]).map((site): [Value, Value] => [origin, site]),
  );
}

async function judgesAsInA(
  { send, passed }: Target,
  row: (typeof TABLE)[number],
  tokens: { right: string; wrong: Value[] },
  always: boolean,
): Promise<void> {
  const outcome = row[3];
  const refusal = outcome === 'pass' || outcome === 'token' ? null : `403 ${outcome}`;
  const without = outcome === 'token' || (outcome === 'pass' && always) ? '403 csrf_failed' : 'passed';
  for (const [i, [origin, site]] of pairsOf(row).entries()) {
    const headers = headersOf(origin, site);
    const wrong = tokens.wrong[i % tokens.wrong.length];
    const answers = await Promise.all([
      send(headers),
      send({ ...headers, 'x-csrf-token': tokens.right }),
      send({ ...headers, 'x-csrf-token': wrong }),
    ]);
    const codes = answers.map(({ status, body }) =>
      status === passed ? 'passed' : `${status} ${body?.code}`,
    );
    expect({ headers, wrong, codes }).toEqual({
      headers,
      wrong,
      codes: [refusal ?? without, refusal ?? 'passed', refusal ?? '403 csrf_failed'],
    });
    for (const { status, setCookies } of answers) if (status !== passed) expect(setCookies).toEqual([]);
  }
}

describe.each([
  ['session', 'auto'],
  ['session', 'always'],
  ['session,jwt', 'auto'],
  ['jwt,session', 'auto'],
])('AUTH_MODE=%s, CSRF_TOKEN=%s: a session cookie', (mode, setting) => {
  let app: TestApp;
  let session: MintedSession;
  let others: MintedSession[];
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { ...ENV, CSRF_TOKEN: setting } });
    session = await mintSession(app);
    others = [await mintSession(app), ...(await mintSessions(app, [session.userId]))];
  });
  afterAll(() => app.close());

  const patch = (headers: WireHeaders, path = '/auth/me', body: unknown = { name: 'Ann' }) =>
    wire(app.url, 'PATCH', path, { headers: { cookie: session.cookie, ...headers }, body });

  test.each(TABLE)('(a) %s', async (...row) => {
    const tokens = { right: csrfTokenFor(app, session.id), wrong: wrongTokens(app, session, others) };
    await judgesAsInA({ app, send: patch, passed: 200 }, row, tokens, setting === 'always');
  });

  test.each(['/auth/login', '/auth/signup', '/session'])(
    '(b) CS22 CS23 %s, with and without a cookie, whatever the token',
    async (path) => {
      for (const row of TABLE) {
        const outcome = row[4];
        for (const [origin, site] of pairsOf(row)) {
          const headers = headersOf(origin, site);
          const more = [{}, { cookie: session.cookie }, { 'x-csrf-token': 'wrong' }];
          // Past the CSRF guard, the missing fields are the first thing that is wrong.
          const answers = await Promise.all(
            more.map((each) => wire(app.url, 'POST', path, { headers: { ...headers, ...each }, body: {} })),
          );
          const expected = outcome === 'pass' ? '400 validation_failed' : `403 ${outcome}`;
          expect({ headers, codes: answers.map(({ status, body }) => `${status} ${body.code}`) }).toEqual({
            headers,
            codes: more.map(() => expected),
          });
          for (const { setCookies } of answers) expect(setCookies).toEqual([]);
        }
      }
    },
  );

  test('CS15 CS16 every wrong token is 403 where one is judged, the right one is not', async () => {
    for (const token of wrongTokens(app, session, others)) {
      for (const headers of [{}, { origin: OWN }, { 'sec-fetch-site': 'none' }]) {
        const answer = await patch({ ...headers, 'x-csrf-token': token });
        expect([token, answer.status, answer.body.code]).toEqual([token, 403, 'csrf_failed']);
      }
    }
    expect((await patch({ 'x-csrf-token': csrfTokenFor(app, session.id) })).status).toBe(200);
  });

  test('CS21 a token in the query or the body is not looked at', async () => {
    const token = csrfTokenFor(app, session.id);
    for (const name of ['csrfToken', 'X-CSRF-Token', '_csrf']) {
      expect((await patch({}, `/auth/me?${name}=${token}`)).status).toBe(403);
      expect((await patch({}, '/auth/me', { name: 'Ann', [name]: token })).status).toBe(403);
    }
    expect((await patch({ cookie: `${session.cookie}; CSRF-TOKEN=${token}` })).status).toBe(403);
  });

  test.each([
    ['POST', '/auth/logout'],
    ['DELETE', '/session'],
    ['PATCH', '/auth/me'],
    ['POST', '/auth/password'],
    ['DELETE', '/auth/sessions'],
    ['DELETE', '/auth/sessions/01890000-0000-7000-8000-000000000000'],
  ])('CS24 %s %s is judged', async (method, path) => {
    const send = (headers: WireHeaders) =>
      wire(app.url, method, path, { headers: { cookie: session.cookie, ...headers } });
    for (const [headers, code] of [
      [{ origin: 'https://evil.example' }, 'origin_not_allowed'],
      [{ origin: 'null' }, 'origin_not_allowed'],
      [{ 'sec-fetch-site': 'cross-site', referer: `${OWN}/` }, 'csrf_failed'],
      [{}, 'csrf_failed'],
      [{ referer: `${OWN}/` }, 'csrf_failed'],
      [{ 'sec-fetch-site': 'same-origin', 'x-csrf-token': 'wrong' }, 'csrf_failed'],
    ] as const) {
      const answer = await send(headers);
      expect([answer.status, answer.body.code, answer.setCookies]).toEqual([403, code, []]);
    }
    expect((await wire(app.url, 'GET', '/auth/me', { headers: { cookie: session.cookie } })).status).toBe(
      200,
    );
  });

  test('CS14 GET and HEAD are never judged, and change nothing', async () => {
    for (const method of ['GET', 'HEAD']) {
      for (const path of ['/auth/me', '/auth/sessions', '/session', '/auth/csrf']) {
        for (const headers of [
          { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
          { origin: 'null' },
          { 'x-csrf-token': 'wrong' },
        ]) {
          const answer = await wire(app.url, method, path, {
            headers: { cookie: session.cookie, ...headers },
          });
          expect([path, answer.status]).toEqual([path, 200]);
          expect(answer.headers['access-control-allow-origin']).toBeUndefined();
        }
      }
      for (const path of ['/auth/logout', '/auth/login', '/auth/signup', '/auth/password']) {
        const answer = await wire(app.url, method, path, { headers: { cookie: session.cookie } });
        expect([path, answer.status, answer.setCookies]).toEqual([path, 405, []]);
      }
    }
  });

  test('authentication comes first: without a live cookie there is nothing to judge, and it is 401', async () => {
    const dead = await mintSession(app);
    await app.rows('UPDATE sessions SET ended_at = now() WHERE id = $1', [dead.id]);
    for (const cookie of [undefined, dead.cookie, `sid=planted`]) {
      for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }, {}]) {
        const answer = await patch({ ...headers, cookie });
        expect(answer.status).toBe(401);
      }
    }
  });

  test('GET /auth/csrf: a token for the session of the cookie, masked anew each time; null without a live one', async () => {
    const ask = (cookie: string | undefined, headers = {}) =>
      wire(app.url, 'GET', '/auth/csrf', { headers: { cookie, ...headers } });
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { status, body, setCookies } = await ask(session.cookie);
      expect(status).toBe(200);
      expect(Object.keys(body)).toEqual(['csrfToken']);
      const [cookie, ...more] = setCookies.map(parseSetCookie);
      expect(cookie).toMatchObject({
        name: 'CSRF-TOKEN',
        value: body.csrfToken,
        attributes: { path: '/', samesite: 'Lax' },
      });
      expect(cookie?.attributes.httponly).toBeUndefined();
      expect(more).toEqual([]);
      expect((await patch({ 'x-csrf-token': body.csrfToken })).status).toBe(200);
      seen.add(body.csrfToken);
    }
    expect(seen.size).toBe(20);
    // What differs is all of it, not a prefix: a mask in clear and the same bytes behind it would be no mask.
    const [first = '', second = ''] = [...seen];
    expect(first.slice(0, 43)).not.toBe(second.slice(0, 43));
    expect(first.slice(43)).not.toBe(second.slice(43));

    const ended = await mintSession(app);
    await app.rows('UPDATE sessions SET ended_at = now() WHERE id = $1', [ended.id]);
    for (const cookie of [undefined, 'other=1', 'sid=planted', ended.cookie, `CSRF-TOKEN=${first}`]) {
      const answer = await ask(cookie);
      expect([answer.status, answer.body, answer.setCookies]).toEqual([200, { csrfToken: null }, []]);
    }
    const { accessToken, refreshToken } = mode.includes('jwt')
      ? await mintTokens(app, others[0]!.id)
      : { accessToken: 'a.b.c', refreshToken: 'lkr_' };
    const bearer = await ask(undefined, { authorization: `Bearer ${accessToken}` });
    expect([bearer.status, bearer.body, bearer.setCookies]).toEqual([200, { csrfToken: null }, []]);
    // The refresh cookie is read on refresh, logout and exchange only.
    const refresh = await ask(`rt=${refreshToken}`);
    expect([refresh.status, refresh.body, refresh.setCookies]).toEqual([200, { csrfToken: null }, []]);
  });

  test('CS17 CS18 a token from before the login is 403, the new one works, and after logout there is no credential', async () => {
    const user = await mintUser(app);
    const client = app.client({ origin: OWN });
    client.email = user.email;
    expect((await client.login({ strategy: 'session' })).status).toBe(200);
    const before = client.csrfToken;
    expect((await client.login({ strategy: 'session' })).status).toBe(200);
    expect(client.csrfToken).toBe(client.jar.get('CSRF-TOKEN'));
    const send = (token: string | undefined) =>
      client.send('PATCH', '/auth/me', { body: { name: 'Ann' }, headers: { 'x-csrf-token': token } });
    expect((await send(before)).status).toBe(403);
    expect((await send(client.csrfToken)).status).toBe(200);
    const copy = client.copy();
    expect((await client.logout()).status).toBe(204);
    const after = await copy.send('PATCH', '/auth/me', { body: { name: 'Ann' } });
    expect([after.status, after.body.code]).toEqual([401, 'credential_invalid']);
  });

  test('CS11 CS12 what a form can send without a preflight is 415, and no trick of its encoding is JSON', async () => {
    const headers = { cookie: session.cookie, origin: OWN, 'x-csrf-token': csrfTokenFor(app, session.id) };
    for (const [type, body] of [
      ['text/plain', '{"name":"=x"}'],
      ['text/plain;charset=UTF-8', '{"name":"Ann"}'],
      ['application/x-www-form-urlencoded', 'name=Ann'],
      [
        'multipart/form-data; boundary=x',
        '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nAnn\r\n--x--',
      ],
    ] as const) {
      for (const [method, path] of [
        ['PATCH', '/auth/me'],
        ['POST', '/auth/logout'],
        ['POST', '/auth/login'],
        ['POST', '/auth/password'],
      ] as const) {
        const answer = await wire(app.url, method, path, {
          headers: { ...headers, 'content-type': type },
          body,
        });
        expect([type, path, answer.status]).toEqual([type, path, 415]);
      }
    }
  });

  test('CS22 login with the right password from a foreign page sets no cookie and starts no session', async () => {
    const { id, email } = await mintUser(app);
    for (const headers of [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'null' },
    ]) {
      for (const path of ['/auth/login', '/session']) {
        const answer = await wire(app.url, 'POST', path, { headers, body: { email, password: PASSWORD } });
        expect([answer.status, answer.setCookies]).toEqual([403, []]);
      }
    }
    expect(await app.rows('SELECT id FROM sessions WHERE user_id = $1', [id])).toEqual([]);
  });

  test('CS30 hosts that the client sets are never compared with: Host, X-Forwarded-Host, Forwarded', async () => {
    for (const headers of [
      { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
      { forwarded: 'host=evil.example;proto=https' },
      { host: 'evil.example' },
    ]) {
      const answer = await patch({ ...headers, origin: 'https://evil.example' });
      expect([answer.status, answer.body.code]).toEqual([403, 'origin_not_allowed']);
    }
  });

  test('CS25 CS26 an Authorization header beside the cookie does not switch CSRF off, nor does a bad one fall back to the cookie', async () => {
    const token = csrfTokenFor(app, session.id);
    for (const authorization of ['Basic dXNlcjpwYXNz', 'Token x', 'Negotiate abc', '']) {
      expect([authorization, (await patch({ authorization })).status]).toEqual([authorization, 403]);
      expect((await patch({ authorization, 'x-csrf-token': token })).status).toBe(200);
    }
    for (const authorization of [
      'Bearer garbage',
      'Bearer a.b.c',
      'bearer',
      'Bearer',
      'Bearer  a.b.c',
      'Bearer a b',
    ]) {
      for (const headers of [
        { authorization },
        { authorization, origin: OWN },
        { authorization, 'x-csrf-token': token },
      ]) {
        const answer = await patch(headers);
        // Where jwt is not enabled its credential counts for nothing, and the cookie is judged as ever.
        const ignored = 'origin' in headers || 'x-csrf-token' in headers ? 200 : 403;
        const expected =
          mode === 'session' ? ('origin' in headers && setting === 'always' ? 403 : ignored) : 401;
        expect([JSON.stringify(headers), answer.status]).toEqual([JSON.stringify(headers), expected]);
      }
    }
  });

  if (mode !== 'session') {
    test('CS25 a good bearer token beside a live cookie is judged, beside a dead one not; CS27 alone it works from anywhere', async () => {
      const [own] = await mintSessions(app, [session.userId]);
      const { accessToken } = await mintTokens(app, own!.id);
      const authorization = `Bearer ${accessToken}`;
      expect((await patch({ authorization })).status).toBe(403);
      expect((await patch({ authorization, origin: 'https://evil.example' })).status).toBe(403);
      expect((await patch({ authorization, 'x-csrf-token': csrfTokenFor(app, own!.id) })).status).toBe(403);
      expect((await patch({ authorization, 'x-csrf-token': csrfTokenFor(app, session.id) })).status).toBe(
        200,
      );
      for (const cookie of [undefined, 'sid=dead', `rt=planted`]) {
        for (const headers of [
          {},
          { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
          { 'x-csrf-token': 'wrong' },
        ]) {
          const answer = await patch({ authorization, cookie, ...headers });
          expect(answer.status).toBe(200);
          expect(answer.headers['access-control-allow-origin']).toBeUndefined();
        }
      }
    });
  }
});

describe.each([
  ['jwt', 'auto'],
  ['jwt', 'always'],
  ['session,jwt', 'auto'],
  ['jwt,session', 'auto'],
])('AUTH_MODE=%s, CSRF_TOKEN=%s: a refresh cookie', (mode, setting) => {
  let app: TestApp;
  let session: MintedSession;
  let cookie: string;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { ...ENV, CSRF_TOKEN: setting } });
    session = await mintSession(app);
    cookie = `rt=${(await mintTokens(app, session.id)).refreshToken}`;
    // From here on the token is younger than the grace, and is answered with itself.
    await app.rows('UPDATE credentials SET issued_at = now()');
  });
  afterAll(() => app.close());

  test.each(TABLE)('(a) on refresh: %s', async (...row) => {
    const other = await mintSession(app);
    const tokens = { right: csrfTokenFor(app, session.id), wrong: wrongTokens(app, session, [other]) };
    const send = (headers: WireHeaders) =>
      wire(app.url, 'POST', '/auth/refresh', { headers: { cookie, ...headers } });
    await judgesAsInA({ app, send, passed: 200 }, row, tokens, setting === 'always');
  });

  test('nothing is spent by a request that CSRF refuses', async () => {
    const victim = await mintSession(app);
    const { refreshToken } = await mintTokens(app, victim.id);
    for (let i = 0; i < 3; i++) {
      const refused = await wire(app.url, 'POST', '/auth/refresh', {
        headers: { cookie: `rt=${refreshToken}`, origin: 'https://evil.example' },
      });
      expect([refused.status, refused.setCookies]).toEqual([403, []]);
    }
    expect(
      await app.rows('SELECT counter FROM credentials WHERE session_id = $1 AND strategy = $2', [
        victim.id,
        'jwt',
      ]),
    ).toEqual([{ counter: '0' }]);
  });

  test('CS24 on logout', async () => {
    const send = (headers: WireHeaders) =>
      wire(app.url, 'POST', '/auth/logout', { headers: { cookie, ...headers } });
    for (const [headers, code] of [
      [{ origin: 'https://evil.example' }, 'origin_not_allowed'],
      [{ 'sec-fetch-site': 'cross-site' }, 'csrf_failed'],
      [{}, 'csrf_failed'],
    ] as const) {
      const answer = await send(headers);
      expect([answer.status, answer.body.code, answer.setCookies]).toEqual([403, code, []]);
    }
    const victim = await mintSession(app);
    const { refreshToken } = await mintTokens(app, victim.id);
    const done = await wire(app.url, 'POST', '/auth/logout', {
      headers: { cookie: `rt=${refreshToken}`, 'x-csrf-token': csrfTokenFor(app, victim.id) },
    });
    expect(done.status).toBe(204);
  });

  test('a token in the body that the browser did not send by itself is not judged', async () => {
    const [, refreshToken] = cookie.split('=');
    const answer = await wire(app.url, 'POST', '/auth/refresh', { body: { refreshToken } });
    expect(answer.status).toBe(200);
  });
});

describe('refresh beside a live session cookie', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode: 'session,jwt' });
  });
  afterAll(() => app.close());

  test('a token in the body does not switch CSRF off: a foreign origin is 403, and nothing is spent', async () => {
    const cookieClient = app.client();
    await cookieClient.signup();
    const tokenClient = cookieClient.sibling();
    const { refreshToken } = (await tokenClient.login({ strategy: 'jwt' })).body;
    const refresh = (headers: Record<string, string>) =>
      fetch(`${app.url}/auth/refresh`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ refreshToken }),
      });
    const { cookie = '' } = cookieClient.credentials;
    expect((await refresh({ cookie, origin: 'https://evil.example' })).status).toBe(403);
    expect((await refresh({ cookie, origin: 'http://localhost:3000' })).status).toBe(200);
    expect((await refresh({})).status).toBe(200);
  });
});
