import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { request, sendRaw } from '../http/support/raw.js';
import { eventually } from '../support/processes.js';
import type { TestApp } from '../support/test-app.js';
import type { TestClient } from '../support/test-client.js';
import {
  type Forgery,
  base64url,
  es256,
  hmac,
  rs256,
  signingInput,
  strangers,
  taken,
} from './support/forge.js';
import {
  JWT_MODES,
  age,
  bare,
  databaseNow,
  port,
  ringOf,
  signedIn,
  startApp,
  statementsDuring,
} from './support/jwt-app.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

describe.each(JWT_MODES)('AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  let ann: TestClient;
  let genuine: ReturnType<typeof taken>;
  beforeAll(async () => {
    app = await startApp({ mode });
    ann = await signedIn(app);
    genuine = taken(ann.accessToken ?? '');
  });
  afterAll(() => app.close());
  afterEach(() => void jest.restoreAllMocks());

  const key = () => ringOf(app).signingKey();
  /** Ann's own header and claims, with changes; `undefined` takes one away. */
  const changed = (header: object = {}, claims: object = {}): Forgery => ({
    header: { ...genuine.header, ...header },
    payload: { ...genuine.claims, ...claims },
  });
  /** Signed with the key that our own tokens are signed with: only what it says is wrong. */
  const ours = (header: object = {}, claims: object = {}) => es256(changed(header, claims), key().privateKey);
  const withBearer = (token: string) => bare(app, { authorization: `Bearer ${token}` });

  async function refuses(token: string, code = 'credential_invalid'): Promise<void> {
    const answer = await withBearer(token);
    expect([answer.status, answer.body?.code]).toEqual([401, code]);
    expect(answer.headers.get('www-authenticate')).toContain('Bearer realm="latchkey", strategy="jwt"');
    expect(answer.setCookies).toEqual([]);
  }

  describe('what is issued', () => {
    test('is an at+jwt (RFC 9068) with exactly the claims of the contract, and times of the database', async () => {
      const before = await databaseNow(app);
      const answer = await ann.sibling().login({ strategy: 'jwt' });
      const after = await databaseNow(app);
      expect(decodeProtectedHeader(answer.body.accessToken)).toEqual({
        alg: 'ES256',
        typ: 'at+jwt',
        kid: key().id,
      });
      const claims = decodeJwt(answer.body.accessToken);
      expect(Object.keys(claims).sort()).toEqual(
        ['iss', 'aud', 'sub', 'client_id', 'sid', 'jti', 'iat', 'exp', 'roles'].sort(),
      );
      expect(claims).toMatchObject({
        iss: 'http://localhost:3000',
        aud: 'http://localhost:3000',
        sub: answer.body.user.id,
        sid: answer.body.session.id,
        client_id: 'latchkey',
        roles: ['user'],
        jti: expect.stringMatching(UUID),
      });
      expect(claims.iat).toBeGreaterThanOrEqual(Math.floor(before));
      expect(claims.iat).toBeLessThanOrEqual(after);
      expect(claims.exp).toBe((claims.iat ?? 0) + answer.body.expiresIn);
      expect(answer.body.tokenType).toBe('Bearer');
    });

    test('lives ten minutes with up to 5 % downward jitter, and no two share a jti', async () => {
      const answers = await Promise.all(Array.from({ length: 60 }, () => ann.copy().refresh()));
      const lifetimes = answers.map(({ body }) => body.expiresIn);
      expect(Math.max(...lifetimes)).toBeLessThanOrEqual(600);
      expect(Math.min(...lifetimes)).toBeGreaterThanOrEqual(570);
      expect(new Set(lifetimes).size).toBeGreaterThan(5);
      expect(new Set(answers.map(({ body }) => decodeJwt(body.accessToken).jti)).size).toBe(60);
    });

    test("never outlives the session's absolute end", async () => {
      const client = await signedIn(app);
      const [row] = await app.rows<{ ends: number }>(
        `UPDATE sessions SET expires_at = now() + interval '100 seconds' WHERE id = $1
         RETURNING extract(epoch FROM expires_at)::float8 AS ends`,
        [client.sessionId],
      );
      const { body } = await client.refresh();
      expect(body.expiresIn).toBeLessThanOrEqual(100);
      expect(body.expiresIn).toBeGreaterThan(80);
      expect(decodeJwt(body.accessToken).exp).toBe(Math.floor(row?.ends ?? 0));
    });

    test('is verified by any JWT library with nothing but the JWKS', async () => {
      const keys = createLocalJWKSet((await app.client().get('/.well-known/jwks.json')).body);
      const { payload } = await jwtVerify(ann.accessToken ?? '', keys, {
        issuer: 'http://localhost:3000',
        audience: 'http://localhost:3000',
        typ: 'at+jwt',
        algorithms: ['ES256'],
      });
      expect(payload.sid).toBe(ann.sessionId);
    });
  });

  test('control: a token made by these very means, with nothing wrong in it, is accepted', async () => {
    expect((await withBearer(ours())).status).toBe(200);
    expect((await withBearer(ours({}, { jti: crypto.randomUUID() }))).status).toBe(200);
  });

  describe('the header', () => {
    test.each(['none', 'None', 'nOnE', '', undefined])('JW01-04 alg %p, signed or not', async (alg) => {
      await refuses(`${signingInput(changed({ alg }))}.`);
      await refuses(signingInput(changed({ alg })));
      await refuses(ours({ alg }));
    });

    test('JW05 HMAC with our public key, in every spelling of it, as the secret', async () => {
      const { publicKey } = key();
      const secrets = [
        publicKey.export({ format: 'pem', type: 'spki' }),
        publicKey.export({ format: 'der', type: 'spki' }),
        JSON.stringify(publicKey.export({ format: 'jwk' })),
      ];
      for (const secret of secrets) {
        for (const typ of ['at+jwt', 'JWT']) await refuses(hmac(changed({ alg: 'HS256', typ }), secret));
        await refuses(hmac(changed(), secret));
      }
    });

    test.each([
      ['HS384', 'sha384'],
      ['HS512', 'sha512'],
    ] as const)('JW06 %s with an empty or guessed secret', async (alg, digest) => {
      for (const secret of ['', 'secret', key().id]) await refuses(hmac(changed({ alg }), secret, digest));
    });

    test.each(['ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'HS256', ['ES256'], { alg: 'ES256' }, 256])(
      'JW06 our key, our signature, and alg %j',
      async (alg) => refuses(ours({ alg })),
    );

    test.each([
      '../../dev/null',
      '/proc/sys/kernel/random/boot_id',
      "' UNION SELECT 'k",
      ['a', 'b'],
      { kid: 'k' },
      'k'.repeat(7000),
      undefined,
      null,
      'unknown-key-id-1',
      '',
      '__proto__',
      'constructor',
    ])('JW08 kid %.40j', async (kid) => {
      await refuses(ours({ kid }));
      await refuses(hmac(changed({ alg: 'HS256', kid }), ''));
    });

    test('JW09 an unknown kid and an HMAC with an empty key', async () => {
      for (const alg of ['HS256', 'ES256']) await refuses(hmac(changed({ alg, kid: 'nobody' }), ''));
    });

    test('JW10 jku, x5u, x5c, jwk: the key that the token brings along is not looked at, and nobody is called', async () => {
      let calls = 0;
      const listener = createServer((_, response) => response.end('{}')).on('connection', () => (calls += 1));
      await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
      const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/jwks.json`;
      const jwk = { ...strangers.publicKey.export({ format: 'jwk' }), kid: 'theirs', alg: 'ES256' };
      const extras = [
        { jku: url },
        { x5u: url },
        { x5c: [base64url('certificate')] },
        { jwk },
        { jku: url, jwk, x5u: url },
      ];
      for (const extra of extras) {
        for (const kid of [key().id, 'theirs']) {
          await refuses(es256(changed({ ...extra, kid }), strangers.privateKey));
          await refuses(ours({ ...extra, kid }));
        }
      }
      expect(calls).toBe(0);
      await new Promise((resolve) => listener.close(resolve));
    });

    test.each([[['x']], [['b64']], [[]], ['exp'], [null]])('JW11 crit %j', async (crit) => {
      await refuses(ours({ crit }));
      await refuses(ours({ crit, b64: false }));
    });

    test.each(['JWT', 'jwt', 'AT+JWT', 'application/at+jwt', 'lk-fwd+jwt', 'refresh+jwt', undefined, 1])(
      'typ %p is no access token',
      async (typ) => refuses(ours({ typ })),
    );

    test('a header field of any other name', async () => refuses(ours({ cty: 'JWT' })));
  });

  describe('the form', () => {
    test('JW07 no signature, an empty one, dots alone, a JWE, a JSON serialization', async () => {
      const [header, payload, signature] = (ann.accessToken ?? '').split('.');
      const json = JSON.stringify({ payload, protected: header, signature });
      for (const token of [
        `${header}.${payload}.`,
        `${header}.${payload}`,
        '..',
        '.',
        '....',
        `${header}..${signature}`,
        `.${payload}.${signature}`,
        `${header}.${payload}.${signature}.${signature}.${signature}`,
        `${header}.${payload}.${signature}.`,
        base64url(json),
        `${base64url(json)}.`,
      ])
        await refuses(token);
    });

    test.each(['true', 'null', '42', '"text"', '[1,2]', '{', ''])('JW19 a header of %j', async (header) =>
      refuses(es256({ header, payload: genuine.claims }, key().privateKey)),
    );

    test.each([
      ['an array', '[{"sub":"x"}]'],
      ['a string', '"sub"'],
      ['a number', '42'],
      ['null', 'null'],
      ['nothing', ''],
      ['not JSON', '{"sub":'],
      ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ])('JW19 a payload that is %s', async (_, payload) =>
      refuses(es256({ header: genuine.header, payload }, key().privateKey)),
    );

    test('JW21 truncated, padded, followed by something', async () => {
      const token = ann.accessToken ?? '';
      await refuses(token.slice(0, -1));
      await refuses(`${token}=`);
      await refuses(`${token}A`);
      await refuses(`A${token}`);
      const spaced = await sendRaw(
        port(app),
        request('GET /auth/me', [`Authorization: Bearer ${token} x`, 'Connection: close']),
      );
      expect(spaced.status).toBe(401);
      const folded = await sendRaw(
        port(app),
        request('GET /auth/me', [`Authorization: Bearer ${token}\r\n x`, 'Connection: close']),
      );
      expect([400, 401]).toContain(folded.status);
    });

    test('JW21 the other spellings of the last signature character are refused, or the same token', async () => {
      const token = ann.accessToken ?? '';
      const bytes = Buffer.from(token.split('.')[2] ?? '', 'base64url');
      const spellings = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
        .map((last) => token.slice(0, -1) + last)
        .filter(
          (other) => other !== token && Buffer.from(other.split('.')[2] ?? '', 'base64url').equals(bytes),
        );
      expect(spellings.length).toBeGreaterThan(0);
      const device = ann.sibling();
      await device.login({ strategy: 'jwt' });
      for (const spelling of spellings) {
        const { status, body } = await withBearer(spelling);
        expect([401, 200]).toContain(status);
        if (status === 200) expect(body.email).toBe(ann.email);
      }
    });

    test('JW22 too large: 431 from the parser, and under its limit a quick 401', async () => {
      const huge = await sendRaw(
        port(app),
        request('GET /auth/me', [`Authorization: Bearer ${'a'.repeat(500_000)}.${'b'.repeat(500_000)}.c`]),
      );
      // Cut off in the middle of sending, the answer may be lost with the connection.
      expect([431, 0]).toContain(huge.status);
      await refuses(
        ours({}, { roles: Array.from({ length: 600 }, (_, index) => `role${index}`) }),
        'credential_expired',
      );
      await refuses(es256(changed({}, { padding: 'x'.repeat(5700) }), strangers.privateKey));
      expect((await app.client().get('/health/live')).status).toBe(200);
    });

    test('JW27 the scheme in lower case is fine; a bare, doubled or unknown one is not', async () => {
      const token = ann.accessToken ?? '';
      for (const authorization of [`bearer ${token}`, `BEARER ${token}`])
        expect((await bare(app, { authorization })).status).toBe(200);
      for (const authorization of [
        'Bearer',
        `Bearer  ${token}`,
        `Bearer ${token}, Bearer ${token}`,
        `Bearer\t${token}`,
      ]) {
        const { status, body } = await bare(app, { authorization });
        expect([authorization, status, body.code]).toEqual([authorization, 401, 'credential_invalid']);
      }
      for (const authorization of [`Token ${token}`, `Basic ${btoa('a:b')}`, token]) {
        const { status, body } = await bare(app, { authorization });
        expect([status, body.code]).toEqual([401, 'credential_missing']);
      }
      const two = `Authorization: Bearer ${token}`;
      const doubled = await sendRaw(port(app), request('GET /auth/me', [two, two, 'Connection: close']));
      expect([doubled.status, doubled.body]).toEqual([400, expect.stringContaining('credential_conflict')]);
    });

    test('JW28 a token in the query, in a cookie or in the body is not looked at', async () => {
      const token = ann.accessToken ?? '';
      for (const name of ['access_token', 'token', 'accessToken', 'jwt']) {
        const { status, body } = await bare(app, { cookie: `${name}=${token}` }, `/auth/me?${name}=${token}`);
        expect([status, body.code]).toEqual([401, 'credential_missing']);
      }
      const inBody = await app
        .client()
        .send('PATCH', '/auth/me', { body: { access_token: token, name: 'x' } });
      expect(inBody.status).toBe(401);
    });
  });

  describe('the claims', () => {
    test('JW12 expired: within the 5 s of skew accepted, beyond it credential_expired', async () => {
      const now = Math.floor(await databaseNow(app));
      expect((await withBearer(ours({}, { exp: now - 2 }))).status).toBe(200);
      await refuses(ours({}, { exp: now - 6 }), 'credential_expired');
      await refuses(ours({}, { exp: 1 }), 'credential_expired');
      expect((await withBearer(ours({}, { exp: now + 60.5 }))).status).toBe(200);
    });

    test.each([undefined, null, '9999999999', 1e308, -1, 0, true, [9999999999]])('JW13 exp %j', async (exp) =>
      refuses(ours({}, { exp })),
    );

    const issuers = [
      'https://evil.example',
      undefined,
      ['http://localhost:3000'],
      'http://localhost:3000/',
      null,
    ];
    test.each(issuers)('JW15 iss %j', async (iss) => refuses(ours({}, { iss })));

    const audiences = [
      'https://evil.example',
      undefined,
      [],
      ['https://evil.example'],
      ['http://localhost:3000'],
      ['http://localhost:3000', 'https://evil.example'],
      'http://localhost:3000/internal',
      null,
    ];
    test.each(audiences)('JW16 aud %j', async (aud) => refuses(ours({}, { aud })));

    test.each([
      undefined,
      null,
      42,
      { id: 1 },
      '',
      'admin',
      '1 OR 1=1',
      '01890000-0000-7000-8000-000000000000',
    ])('JW18 sub %j', async (sub) => refuses(ours({}, { sub })));

    test("JW18 another user's sub, under our signature and under a stranger's", async () => {
      const bob = await signedIn(app);
      const { claims } = taken(bob.accessToken ?? '');
      await refuses(ours({}, { sub: claims.sub }));
      await refuses(ours({}, { sid: claims.sid }));
      await refuses(es256(changed({}, { sub: claims.sub, sid: claims.sid }), strangers.privateKey));
    });

    test.each(['client_id', 'sid', 'jti', 'iat', 'roles'])('without %s', async (name) =>
      refuses(ours({}, { [name]: undefined })),
    );

    test.each([
      { admin: true },
      { nbf: 0 },
      { scope: 'all' },
      { roles: 'admin' },
      { roles: [1] },
      { sid: 'x' },
      { sid: ['x'] },
      { iat: 'now' },
      { client_id: 'other' },
      { jti: 1 },
    ])('claims that we do not issue: %j', async (claims) => refuses(ours({}, claims)));

    test('a live session that holds no token, or none at all', async () => {
      await refuses(ours({}, { sid: '01890000-0000-7000-8000-000000000000' }));
      const client = await signedIn(app);
      const token = client.accessToken ?? '';
      expect((await withBearer(token)).status).toBe(200);
      await app.rows(`DELETE FROM credentials WHERE session_id = $1`, [client.sessionId]);
      await eventually(async () => (await withBearer(token)).status === 401);
      await refuses(token);
    });

    test('claimed roles are not believed: the token is refused, whatever was signed', async () => {
      await refuses(ours({}, { roles: ['user', 'admin'] }), 'credential_expired');
      await refuses(ours({}, { roles: [] }), 'credential_expired');
    });
  });

  test('JW24 no token passes for another kind: refresh, CSRF and forward-auth tokens', async () => {
    await refuses(ann.refreshToken ?? '');
    const page = await signedIn(app, { origin: 'http://localhost:3000' });
    const csrf = page.csrfToken ?? '';
    await refuses(csrf);
    await refuses(ours({ typ: 'lk-fwd+jwt' }, { aud: 'http://localhost:3000/internal' }));
    for (const refreshToken of [ann.accessToken, csrf]) {
      const answer = await app.client().post('/auth/refresh', { refreshToken });
      expect([400, 401]).toContain(answer.status);
    }
    const asCsrf = await page.copy().post(
      '/auth/refresh',
      {},
      {
        headers: { origin: undefined, 'sec-fetch-site': undefined, 'x-csrf-token': page.accessToken },
      },
    );
    expect([asCsrf.status, asCsrf.body.code]).toEqual([403, 'csrf_failed']);
  });

  test("JW25 another deployment's token, with its own kid and with ours", async () => {
    const other = await startApp({ mode, env: { APP_SECRET: Buffer.alloc(32, 'other').toString('base64') } });
    const theirs = await signedIn(other);
    await refuses(theirs.accessToken ?? '');
    await refuses(es256(changed(), ringOf(other).signingKey().privateKey));
    expect((await bare(other, { authorization: `Bearer ${ann.accessToken}` })).status).toBe(401);
    await other.close();
  });

  test('a token that is not ours costs no query, however it is made', async () => {
    const token = ann.accessToken ?? '';
    const bad = [
      `${token.slice(0, -8)}AAAAAAAA`,
      token.slice(0, -1),
      token.slice(0, token.length / 2),
      token.replace('.', '.A'),
      es256(changed({}, { sub: crypto.randomUUID() }), strangers.privateKey),
      es256(changed({}, { padding: 'x'.repeat(5000) }), strangers.privateKey),
      ours({ typ: 'JWT' }),
      ours({ crit: ['x'] }),
      ours({}, { iss: 'https://evil.example' }),
      ours({}, { aud: ['http://localhost:3000'] }),
      ours({}, { admin: true }),
      hmac(changed({ alg: 'HS256' }), ''),
      'x.y.z',
    ];
    expect(await statementsDuring(app, () => Promise.all(bad.map((each) => refuses(each))))).toEqual([]);
    const control = await statementsDuring(app, () => withBearer(ours({}, { jti: crypto.randomUUID() })));
    expect(control).toHaveLength(1);
  });

  test('JW08 unknown kids cost one look between them, then none for a while', async () => {
    const ring = ringOf(app);
    const reload = jest.spyOn(ring, 'reload');
    const looks = (): number => reload.mock.calls.length;
    const forged = () => es256(changed({ kid: crypto.randomUUID() }), strangers.privateKey);
    const start = performance.now();
    await Promise.all(Array.from({ length: 50 }, () => refuses(forged())));
    for (let i = 0; i < 20; i++) await refuses(forged());
    const seconds = (performance.now() - start) / 1000;
    // The ring's own readings go on meanwhile, two a second.
    expect(looks()).toBeLessThanOrEqual(2 + Math.ceil(seconds / 5) + Math.ceil(seconds * 2));
  });

  describe.each([
    ['five minutes ahead', 300_000],
    ['five minutes behind', -300_000],
  ])("FT23, JW30 with this node's clock %s", (_, offset) => {
    const real = Date.now;
    beforeAll(() => {
      Date.now = () => real() + offset;
    });
    afterAll(() => {
      Date.now = real;
    });

    test("a token has the database's times and works at once", async () => {
      const client = await signedIn(app);
      const now = await databaseNow(app);
      const { claims } = taken(client.accessToken ?? '');
      expect(Math.abs(Number(claims.iat) - now)).toBeLessThan(10);
      expect((await client.me()).status).toBe(200);
      await age(app, client);
      expect((await client.refresh()).status).toBe(200);
    });

    test("a token is expired by the database's clock, not by the node's", async () => {
      const now = Math.floor(await databaseNow(app));
      expect((await withBearer(ours({}, { exp: now + 60, jti: crypto.randomUUID() }))).status).toBe(200);
      await refuses(ours({}, { exp: now - 60, jti: crypto.randomUUID() }), 'credential_expired');
    });
  });
});

describe.each(['RS256', 'PS256'] as const)('JWT_ALGORITHM=%s', (algorithm) => {
  let app: TestApp;
  let ann: TestClient;
  beforeAll(async () => {
    app = await startApp({ mode: 'jwt', env: { JWT_ALGORITHM: algorithm } });
    ann = await signedIn(app);
  });
  afterAll(() => app.close());

  test('signs with it, publishes it, and every library verifies it', async () => {
    expect((await ann.me()).status).toBe(200);
    const { body } = await app.client().get('/.well-known/jwks.json');
    expect(body.keys).toEqual([
      {
        kty: 'RSA',
        kid: ringOf(app).signingKey().id,
        use: 'sig',
        alg: algorithm,
        n: expect.any(String),
        e: 'AQAB',
      },
    ]);
    // 3072 bits: as strong as P-256.
    expect(Buffer.from(body.keys[0].n, 'base64url').length * 8).toBe(3072);
    const verified = await jwtVerify(ann.accessToken ?? '', createLocalJWKSet(body), {
      algorithms: [algorithm],
    });
    expect(verified.protectedHeader).toEqual({ alg: algorithm, typ: 'at+jwt', kid: body.keys[0].kid });
  });

  test('JW05 the same key under another algorithm, and its public half as an HMAC secret, are refused', async () => {
    const { header, claims } = taken(ann.accessToken ?? '');
    const { privateKey, publicKey } = ringOf(app).signingKey();
    const other = algorithm === 'RS256' ? 'PS256' : 'RS256';
    const forged = [
      rs256({ header: { ...header, alg: other }, payload: claims }, privateKey, other === 'PS256'),
      rs256({ header, payload: claims }, privateKey, other === 'PS256'),
      hmac(
        { header: { ...header, alg: 'HS256' }, payload: claims },
        publicKey.export({ format: 'pem', type: 'spki' }),
      ),
      es256({ header: { ...header, alg: 'ES256' }, payload: claims }, strangers.privateKey),
    ];
    for (const token of forged) {
      const { status, body } = await bare(app, { authorization: `Bearer ${token}` });
      expect([status, body.code]).toEqual([401, 'credential_invalid']);
    }
    const genuine = rs256({ header, payload: claims }, privateKey, algorithm === 'PS256');
    expect((await bare(app, { authorization: `Bearer ${genuine}` })).status).toBe(200);
  });
});
