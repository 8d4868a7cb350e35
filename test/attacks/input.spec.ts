import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ProblemSchema } from '../../src/http/problem.schema.js';
import { request, sendRaw } from '../http/support/raw.js';
import { TestApp } from '../support/test-app.js';
import { PASSWORD, type TestClient, newEmail } from '../support/test-client.js';
import { CANARY, INPUT_CASES, MASS_ASSIGNMENTS, NO_IDS, PATHS_LIKE_ME } from './input.cases.js';

describe.each(['session', 'jwt', 'session,jwt'])('AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { THROTTLE: 'off', LOG_LEVEL: 'info' } });
  });
  afterAll(async () => {
    expect((await app.client().get('/health/live')).status).toBe(200);
    await app.close();
  });

  async function signedUp(): Promise<TestClient> {
    const client = app.client();
    expect((await client.signup()).status).toBe(201);
    return client;
  }
  const usersCount = async (): Promise<number> =>
    (await app.rows<{ count: number }>('SELECT count(*)::int AS count FROM users'))[0]?.count ?? -1;

  test.each(INPUT_CASES.map((one) => [one.id, one.what, one] as const))(
    '%s %s',
    async (_id, _what, input) => {
      const { body, raw, type = 'application/json', encoding, statuses = [400, 400], code, paths } = input;
      for (const [i, path] of ['/auth/signup', '/auth/login'].entries()) {
        const answer = await app.client().send('POST', path, {
          ...(raw === undefined ? { body } : { raw }),
          headers: { 'content-type': type ?? undefined, 'content-encoding': encoding },
        });
        expect([path, answer.status]).toEqual([path, statuses[i]]);
        const problem = ProblemSchema.parse(answer.body);
        if (code !== undefined) expect(problem.code).toBe(code);
        if (paths !== undefined && answer.status === 400) {
          expect(problem.errors?.map((error) => error.path)).toEqual(paths);
        }
        expect(answer.text).not.toContain(CANARY);
        expect(answer.setCookies).toEqual([]);
      }
    },
  );

  test('IV22 a password of 64 and of 128 characters is taken whole; all but its last character is another one', async () => {
    for (const password of ['pick me-'.repeat(8), [...'𝕏y zw'.repeat(26)].slice(0, 128).join('')]) {
      expect([64, 128]).toContain([...password].length);
      const client = app.client();
      expect((await client.signup({ password })).status).toBe(201);
      expect((await client.sibling().login({ password })).status).toBe(200);
      const shorter = [...password].slice(0, -1).join('');
      expect((await client.sibling().login({ password: shorter })).status).toBe(401);
    }
  });

  test('IV23 what comes after 72 bytes counts', async () => {
    const client = app.client();
    const start = 'seventy-two bytes '.repeat(4);
    expect((await client.signup({ password: `${start}X` })).status).toBe(201);
    expect((await client.sibling().login({ password: `${start}Y` })).status).toBe(401);
    expect((await client.sibling().login({ password: start })).status).toBe(401);
  });

  test.each([
    ['IV47', 'the Kelvin sign', '\u212a', 'k'],
    ['IV47', 'a full-width letter', '\uff4b', 'k'],
    ['IV50', 'an IDN and its punycode', '@bücher.example', '@xn--bcher-kva.example'],
    ['BR07', 'capitals', 'K', 'k'],
  ])('%s %s names the account of the plain spelling', async (_, _what, written, plain) => {
    const email = newEmail().replace(plain.startsWith('@') ? /@.*/ : 'user', plain);
    const client = app.client();
    expect((await client.signup({ email })).body.user.email).toBe(email);
    const variant = email.replace(plain, written);
    expect(variant).not.toBe(email);
    const again = await app.client().signup({ email: variant });
    expect([again.status, again.body.code]).toEqual([409, 'email_taken']);
    expect((await app.client().login({ email: variant })).body.user.email).toBe(email);
  });

  test('IV53 the query of a POST is not looked at', async () => {
    const email = newEmail();
    const answer = await app.client().post(`/auth/signup?email=evil@example.com&password[]=x`, {
      email,
      password: PASSWORD,
    });
    expect([answer.status, answer.body.user.email]).toEqual([201, email]);
    const many = await app.client().get(`/auth/config?${'a[]=1&'.repeat(300)}`);
    expect(many.status).toBe(200);
    expect((await app.client().get(`/auth/config?${'a[]=1&'.repeat(5_000)}`)).status).toBe(414);
  });

  test('IV55 no spelling of a path gets around the guard', async () => {
    const client = await signedUp();
    const credentials = Object.entries(client.credentials).map(([name, value]) => `${name}: ${value}`);
    const port = Number(new URL(app.url).port);
    for (const path of PATHS_LIKE_ME) {
      const without = await sendRaw(port, request(`GET ${path}`));
      expect([400, 401, 404]).toContain(without.status);
      const signedIn = await sendRaw(port, request(`GET ${path}`, credentials));
      expect([path, [401, 200].includes(signedIn.status)]).toEqual([path, without.status === 401]);
    }
  });

  test('IV56 AZ02 whatever stands in the place of an id is 400 or 404, and ends nothing', async () => {
    const [client, other] = [await signedUp(), await signedUp()];
    const foreign = other.sessionId ?? '';
    for (const id of [
      ...NO_IDS.map(encodeURIComponent),
      foreign,
      foreign.toUpperCase(),
      `${foreign}%00`,
      `${foreign}/`,
    ]) {
      const { status, text } = await client.send('DELETE', `/auth/sessions/${id}`);
      expect([id, [400, 404].includes(status)]).toEqual([id, true]);
      expect(text).not.toContain('uuid');
    }
    for (const one of [client, other]) expect((await one.me()).status).toBe(200);
    const { body } = await client.get('/auth/sessions');
    expect(body.sessions.map(({ id }: { id: string }) => id)).toEqual([client.sessionId]);
  });

  test('IV58 a request that two parsers would cut differently is refused and the connection closed', async () => {
    const both =
      'POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    const answer = await sendRaw(Number(new URL(app.url).port), both, { untilClosed: true });
    expect([answer.status, answer.closed]).toEqual([400, true]);
    expect(ProblemSchema.parse(JSON.parse(answer.body)).code).toBe('malformed_request');
  });

  test.each(Object.entries(MASS_ASSIGNMENTS))(
    'MA01 signup with %s is 400 and creates nobody',
    async (field, value) => {
      const before = await usersCount();
      const answer = await app.client().signup({ [field]: value });
      expect([answer.status, answer.body.errors]).toEqual([400, [{ path: '', message: 'unknown field' }]]);
      expect(await usersCount()).toBe(before);
    },
  );

  test('MA10 MA11 a profile takes a name and nothing else: nobody becomes another, nobody gets a role', async () => {
    const [client, other] = [await signedUp(), await signedUp()];
    const rows = (): Promise<object[]> => app.rows('SELECT * FROM users ORDER BY id');
    const before = await rows();
    const { body: me } = await other.me();
    for (const extra of [
      { id: me.id },
      { email: me.email },
      ...Object.entries(MASS_ASSIGNMENTS).map((pair) => Object.fromEntries([pair])),
    ]) {
      const answer = await client.send('PATCH', '/auth/me', { body: { name: 'mine', ...extra } });
      expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed']);
    }
    const wrong = { currentPassword: PASSWORD, newPassword: 'a password that nobody has 7', userId: me.id };
    expect((await client.post('/auth/password', wrong)).status).toBe(400);
    expect(await rows()).toEqual(before);
  });

  test('AZ03 a session that ended itself is over for its refresh token too', async () => {
    const client = await signedUp();
    const copy = client.copy();
    expect((await client.send('DELETE', `/auth/sessions/${client.sessionId}`)).status).toBe(204);
    expect((await copy.me()).status).toBe(401);
    if (mode.includes('jwt')) expect((await copy.refresh()).status).toBe(401);
  });
});
