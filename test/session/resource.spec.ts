import { parseSetCookie } from '../support/cookie-jar.js';
import { MODES, TestApp } from '../support/test-app.js';
import { PASSWORD } from '../support/test-client.js';
import { csrfTokenFor, mintSession, mintTokens, mintUser } from './support/minted.js';
import { type WireHeaders, wire } from './support/wire.js';

const OWN = 'http://localhost:3000';
const APP = 'https://app.example.com';
const NATIVE = 'capacitor://localhost';
const FORM = 'application/x-www-form-urlencoded';
const RESOURCE = ['email', 'expiresAt', 'name', 'roles', 'sessionId', 'sessionTimeout', 'strategy', 'userId'];

const namesOf = (lines: readonly string[]) => lines.map((line) => parseSetCookie(line).name).sort();
const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();

describe.each(MODES)('AUTH_MODE=%s', (mode) => {
  const [primary] = mode.split(',');
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { CORS_ORIGINS: `${APP},${NATIVE}` } });
  });
  afterAll(() => app.close());

  const post = (body: unknown, headers: WireHeaders = {}) =>
    wire(app.url, 'POST', '/session', { headers, body });

  /** The headers by which whoever got that answer is signed in. */
  function credentialOf({ body, setCookies }: Awaited<ReturnType<typeof post>>): Record<string, string> {
    if (body.token !== undefined) return { authorization: `Bearer ${body.token}` };
    return { cookie: setCookies.map((line) => line.split(';')[0]).join('; '), origin: OWN };
  }

  describe('the session resource', () => {
    test('POST, GET, DELETE, and then 401: every body is JSON, and says what the contract says', async () => {
      const { id, email } = await mintUser(app);
      const created = await post({ email, password: PASSWORD });
      expect(created.status).toBe(200);
      const credential = primary === 'session' ? ['csrfToken'] : ['expiresIn', 'token'];
      expect(Object.keys(created.body).sort()).toEqual([...RESOURCE, ...credential].sort());
      expect(namesOf(created.setCookies)).toEqual(primary === 'session' ? ['CSRF-TOKEN', 'sid'] : []);

      const headers = credentialOf(created);
      const current = await wire(app.url, 'GET', '/session', { headers });
      expect([current.status, current.setCookies]).toEqual([200, []]);
      expect(Object.keys(current.body).sort()).toEqual(RESOURCE);
      expect(current.body).toMatchObject({
        email,
        name: null,
        roles: ['user'],
        userId: id,
        strategy: primary,
      });
      const { csrfToken: _csrf, token: _token, expiresIn: _expiresIn, ...same } = created.body;
      expect(current.body).toEqual(same);
      expect(current.body.sessionTimeout * 1000).toBeGreaterThan(Date.now() + 29 * 60_000);
      expect(current.body.sessionTimeout * 1000).toBeLessThan(Date.parse(current.body.expiresAt));

      const gone = await wire(app.url, 'DELETE', '/session', { headers });
      expect([gone.status, gone.text, gone.headers['content-type']]).toEqual([
        200,
        '{}',
        'application/json; charset=utf-8',
      ]);
      expect(namesOf(gone.setCookies)).toEqual(primary === 'session' ? ['CSRF-TOKEN', 'sid'] : []);
      for (const method of ['GET', 'DELETE']) {
        const after = await wire(app.url, method, '/session', { headers });
        expect([after.status, after.body.code]).toEqual([401, 'credential_invalid']);
        const none = await wire(app.url, method, '/session');
        expect([none.status, none.body.code]).toEqual([401, 'credential_missing']);
      }
    });

    test.each([OWN, APP])(
      'a page of %s posts a form, as the CanJS client does, and holds no refresh token',
      async (origin) => {
        const { email } = await mintUser(app);
        const site = origin === OWN ? 'same-origin' : 'cross-site';
        const headers = { origin, 'sec-fetch-site': site, 'sec-fetch-mode': 'cors', 'content-type': FORM };
        for (const type of [FORM, `${FORM}; charset=UTF-8`, `${FORM};charset="utf-8"`]) {
          const created = await post(form({ email, password: PASSWORD }), {
            ...headers,
            'content-type': type,
          });
          expect(created.status).toBe(200);
          expect(created.headers['access-control-allow-origin']).toBe(origin === OWN ? undefined : origin);
          expect(namesOf(created.setCookies)).toEqual(['CSRF-TOKEN', primary === 'session' ? 'sid' : 'rt']);
          expect(JSON.stringify(created.body)).not.toContain('lkr_');
          const current = await wire(app.url, 'GET', '/session', { headers: credentialOf(created) });
          expect([current.status, current.body.sessionId]).toEqual([200, created.body.sessionId]);
        }
      },
    );

    test.each([
      ['true', true],
      ['on', true],
      ['1', true],
      ['false', false],
      ['off', false],
      ['0', false],
      ['', false],
      [undefined, false],
    ])('remember=%s in a form', async (remember, remembered) => {
      const { email } = await mintUser(app);
      const fields = { email, password: PASSWORD, ...(remember !== undefined && { remember }) };
      const created = await post(form(fields), { 'content-type': FORM, origin: OWN });
      expect(created.status).toBe(200);
      const days = (Date.parse(created.body.expiresAt) - Date.now()) / 86_400_000;
      expect(Math.round(days)).toBe(remembered ? 30 : 0);
      for (const line of created.setCookies) {
        expect('max-age' in parseSetCookie(line).attributes).toBe(remembered);
      }
    });

    test('spaces, plus signs and other letters of a form are what they were in the field', async () => {
      const password = 'a+b c%d & ü 東京 = fine';
      const email = (await mintUser(app)).email;
      const signup = await wire(app.url, 'POST', '/auth/signup', {
        body: { email: `form.${email}`, password },
      });
      expect(signup.status).toBe(201);
      const created = await post(form({ email: `form.${email}`, password }), { 'content-type': FORM });
      expect(created.status).toBe(200);
    });

    test.each([
      ['a field twice', 'email=a%40example.com&email=b%40example.com&password=x'],
      ['a field twice, the same', 'email=a%40example.com&password=x&password=x'],
      ['remember twice', 'email=a%40example.com&password=x&remember=on&remember=on'],
      ['remember that is neither', 'email=a%40example.com&password=x&remember=maybe'],
      ['an unknown field', 'email=a%40example.com&password=x&admin=true'],
      ['an array', 'email[]=a%40example.com&password=x'],
      ['__proto__', '__proto__=x&email=a%40example.com&password=x'],
      ['no password', 'email=a%40example.com'],
      ['a broken escape', 'email=a%4&password=x'],
      ['no UTF-8', 'email=a%40example.com&password=%ff%fe'],
      ['a NUL', 'email=a%40example.com&password=a%00b'],
    ])('a form with %s is 400 and starts nothing', async (_, body) => {
      const answer = await post(body, { 'content-type': FORM });
      expect([answer.status, answer.setCookies]).toEqual([400, []]);
    });

    test('forms are for POST /session alone, and other types for nothing: 415', async () => {
      const session = await mintSession(app);
      const headers =
        mode === 'jwt'
          ? { authorization: `Bearer ${(await mintTokens(app, session.id)).accessToken}` }
          : { cookie: session.cookie, origin: OWN };
      for (const [method, path] of [
        ['POST', '/auth/login'],
        ['POST', '/auth/signup'],
        ['PATCH', '/auth/me'],
        ['POST', '/auth/password'],
        ['POST', '/auth/logout'],
        ['DELETE', '/session'],
      ] as const) {
        const answer = await wire(app.url, method, path, {
          headers: { ...headers, 'content-type': FORM },
          body: 'email=a%40example.com&password=x',
        });
        expect([path, answer.status, answer.body.code]).toEqual([path, 415, 'unsupported_media_type']);
      }
      for (const type of [
        'text/plain',
        'multipart/form-data; boundary=x',
        `${FORM}; charset=latin1`,
        'application/xml',
      ]) {
        expect((await post('email=a%40example.com', { 'content-type': type })).status).toBe(415);
      }
      expect((await wire(app.url, 'GET', '/session', { headers })).status).toBe(200);
    });

    test('a wrong password is 401 login_failed without a cookie, and the old session lives on', async () => {
      const session = await mintSession(app);
      const user = await mintUser(app);
      for (const [body, type] of [
        [{ email: user.email, password: 'certainly not it' }, 'application/json'],
        [form({ email: user.email, password: 'certainly not it' }), FORM],
      ] as const) {
        const answer = await post(body, { cookie: session.cookie, 'content-type': type });
        expect([answer.status, answer.body.code, answer.setCookies]).toEqual([401, 'login_failed', []]);
      }
      const [row] = await app.rows('SELECT ended_at FROM sessions WHERE id = $1', [session.id]);
      expect(row).toEqual({ ended_at: null });
    });

    test('the refresh token never is in the body of POST /session, whoever asks and however', async () => {
      const { email } = await mintUser(app);
      for (const headers of [{}, { origin: OWN }, { origin: NATIVE }]) {
        for (const refreshTransport of ['body', 'cookie', undefined]) {
          const answer = await post({ email, password: PASSWORD, refreshTransport }, headers);
          expect([200, 400]).toContain(answer.status);
          expect(answer.text).not.toMatch(/lkr_|refreshToken/);
        }
      }
    });

    if (mode.includes('jwt')) {
      test('DELETE /session takes what logout takes: bearer, refresh cookie, refresh token in the body', async () => {
        for (const how of ['bearer', 'cookie', 'body']) {
          const session = await mintSession(app);
          const { accessToken, refreshToken } = await mintTokens(app, session.id);
          const answer = await wire(app.url, 'DELETE', '/session', {
            headers:
              how === 'bearer'
                ? { authorization: `Bearer ${accessToken}` }
                : how === 'cookie'
                  ? { cookie: `rt=${refreshToken}`, 'x-csrf-token': csrfTokenFor(app, session.id) }
                  : {},
            body: how === 'body' ? { refreshToken } : undefined,
          });
          expect([how, answer.status, answer.text]).toEqual([how, 200, '{}']);
          const [row] = await app.rows('SELECT ended_reason FROM sessions WHERE id = $1', [session.id]);
          expect(row).toEqual({ ended_reason: 'logout' });
        }
      });
    }

    test('other methods are 405 with Allow, OPTIONS is 204', async () => {
      for (const method of ['PUT', 'PATCH']) {
        const answer = await wire(app.url, method, '/session');
        expect([answer.status, answer.headers.allow]).toEqual([
          405,
          expect.stringMatching(/GET.*POST.*DELETE|DELETE/),
        ]);
      }
      const options = await wire(app.url, 'OPTIONS', '/session');
      expect([options.status, options.text]).toEqual([204, '']);
      for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS'])
        expect(options.headers.allow).toContain(method);
    });
  });

  describe('headers of real routes', () => {
    /** One of each kind of answer. */
    async function answers(headers: WireHeaders = {}) {
      const session = await mintSession(app);
      const credential: WireHeaders =
        mode === 'jwt'
          ? { authorization: `Bearer ${(await mintTokens(app, session.id)).accessToken}` }
          : { cookie: session.cookie };
      const { email } = await mintUser(app);
      const REQUESTS: [string, string, number, WireHeaders?, unknown?][] = [
        ['GET', '/auth/me', 200, credential],
        ['GET', '/auth/me?callback=alert', 200, credential],
        ['GET', '/session', 200, credential],
        ['GET', '/auth/sessions', 200, credential],
        ['GET', '/auth/csrf', 200, credential],
        ['GET', '/auth/config', 200],
        ['HEAD', '/auth/me', 200, credential],
        ['GET', '/auth/me', 401],
        ['GET', '/session', 401],
        ['POST', '/auth/login', 200, {}, { email, password: PASSWORD }],
        ['POST', '/auth/login', 401, {}, { email, password: 'certainly not it' }],
        ['POST', '/auth/login', 400, {}, {}],
        ['POST', '/auth/login', 415, { 'content-type': 'text/plain' }, 'x'],
        ['POST', '/auth/login', 400, {}, '{'],
        ['POST', '/auth/login', 413, {}, `"${'x'.repeat(20_000)}"`],
        ['GET', '/auth/login', 405],
        ['GET', '/auth/nowhere', 404],
        ['OPTIONS', '/auth/me', 204],
        ['POST', '/auth/logout', 401],
      ];
      return Promise.all(
        REQUESTS.map(async ([method, path, status, own, body]) => {
          const answer = await wire(app.url, method, path, { headers: { ...headers, ...own }, body });
          expect([method, path, answer.status]).toEqual([method, path, status]);
          return { method, path, ...answer };
        }),
      );
    }

    test('HD02 HD09 CS32 no answer is kept, sniffed or embedded, and each says what it depends on', async () => {
      for (const { method, path, status, headers, text } of await answers()) {
        expect({ path, status, headers }).toMatchObject({
          headers: {
            'cache-control': 'no-store',
            vary: 'Origin, Cookie, Authorization',
            'x-content-type-options': 'nosniff',
            'cross-origin-resource-policy': 'same-origin',
            'cross-origin-opener-policy': 'same-origin',
            'referrer-policy': 'no-referrer',
            'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
            'x-request-id': expect.stringMatching(/^[A-Za-z0-9_-]{8,64}$/),
          },
        });
        for (const absent of [
          'x-powered-by',
          'etag',
          'last-modified',
          'server',
          'access-control-allow-origin',
          'strict-transport-security',
        ]) {
          expect([path, absent, headers[absent]]).toEqual([path, absent, undefined]);
        }
        if (method === 'HEAD' || status === 204) expect(text).toBe('');
        if (status === 204) expect(headers['content-type']).toBeUndefined();
        else
          expect(headers['content-type']).toBe(
            status < 400 ? 'application/json; charset=utf-8' : 'application/problem+json; charset=utf-8',
          );
        expect(text).not.toMatch(/^\/\*\*\/|^alert\(/);
      }
    });

    test('HD03 CS29 an origin that is not listed gets no CORS header, near misses neither; never an asterisk', async () => {
      for (const origin of [
        'https://evil.example',
        'null',
        'http://app.example.com',
        'https://app.example.com.evil.example',
        'https://appxexample.com',
        'https://evil.app.example.com',
        'https://app.example.com:8443',
        'capacitor://evil',
        OWN,
        'http://127.0.0.1:3000',
        '*',
      ]) {
        for (const [method, path] of [
          ['GET', '/auth/config'],
          ['GET', '/auth/me'],
          ['OPTIONS', '/auth/login'],
        ] as const) {
          const answer = await wire(app.url, method, path, {
            headers: {
              origin,
              'access-control-request-method': 'POST',
              'access-control-request-headers': 'content-type',
            },
          });
          const granted = Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'));
          expect([origin, path, granted]).toEqual([origin, path, []]);
          expect(answer.headers.vary).toContain('Origin');
        }
      }
    });

    test.each([APP, NATIVE])(
      'HD05 CS29 %s is answered with itself, on refusals too; the preflight has the closed lists',
      async (origin) => {
        for (const { path, status, method, headers } of await answers({ origin })) {
          expect([
            path,
            status,
            headers['access-control-allow-origin'],
            headers['access-control-allow-credentials'],
          ]).toEqual([path, status, origin, 'true']);
          if (method !== 'OPTIONS') {
            expect(headers['access-control-expose-headers']?.split(', ')).toEqual([
              'X-Request-Id',
              'Retry-After',
              'RateLimit',
              'RateLimit-Policy',
              'WWW-Authenticate',
            ]);
          }
          expect(headers.vary).toBe('Origin, Cookie, Authorization');
        }
        for (const path of ['/auth/login', '/auth/me', '/session', '/auth/sessions/x']) {
          const preflight = await wire(app.url, 'OPTIONS', path, {
            headers: {
              origin,
              'access-control-request-method': 'BREW',
              'access-control-request-headers': 'content-type, x-evil, x-csrf-token',
            },
          });
          expect([preflight.status, preflight.text, preflight.setCookies]).toEqual([204, '', []]);
          expect(preflight.headers).toMatchObject({
            'access-control-allow-origin': origin,
            'access-control-allow-credentials': 'true',
            'access-control-allow-methods': 'GET, HEAD, POST, PATCH, PUT, DELETE',
            'access-control-allow-headers':
              'Content-Type, Authorization, X-CSRF-Token, X-Requested-With, X-Request-Id',
            'access-control-max-age': '600',
          });
        }
      },
    );

    test('HD06 no host that the client names is in any answer', async () => {
      for (const { path, text, headers } of await answers({
        host: 'evil.example',
        'x-forwarded-host': 'evil.example',
        forwarded: 'host=evil.example',
        'x-original-url': 'http://evil.example/',
      })) {
        expect([path, text + JSON.stringify(headers)]).toEqual([path, expect.not.stringContaining('evil')]);
      }
    });

    test('HD08 every 401 names each enabled strategy', async () => {
      for (const { path, status, headers } of await answers()) {
        const expected = mode
          .split(',')
          .map((name) => `${name === 'session' ? 'Session' : 'Bearer'} realm="latchkey", strategy="${name}"`)
          .join(', ');
        expect([path, headers['www-authenticate']]).toEqual([path, status === 401 ? expected : undefined]);
      }
    });

    test('HD12 nothing of one user is told by conditions or ranges of another', async () => {
      const session = await mintSession(app);
      const credential =
        mode === 'jwt'
          ? { authorization: `Bearer ${(await mintTokens(app, session.id)).accessToken}` }
          : { cookie: session.cookie };
      for (const headers of [
        { range: 'bytes=0-9' },
        { 'if-none-match': '*' },
        { 'if-modified-since': new Date(Date.now() + 86_400_000).toUTCString() },
        { 'if-match': '"x"' },
      ]) {
        for (const path of ['/auth/me', '/session']) {
          const answer = await wire(app.url, 'GET', path, { headers: { ...credential, ...headers } });
          expect([answer.status, answer.headers.etag, answer.headers['content-range']]).toEqual([
            200,
            undefined,
            undefined,
          ]);
          expect(answer.body.userId ?? answer.body.id).toBe(session.userId);
        }
      }
    });
  });
});

test('HD01 on https every answer has HSTS', async () => {
  const app = await TestApp.start({ mode: 'session', env: { PUBLIC_ORIGIN: 'https://auth.example.com' } });
  for (const path of ['/auth/config', '/auth/me', '/nowhere']) {
    const { headers } = await wire(app.url, 'GET', path);
    expect(headers['strict-transport-security']).toBe('max-age=63072000');
  }
  await app.close();
});
