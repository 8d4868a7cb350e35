import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SignedInOut } from '../../src/auth/auth.schemas.js';
import { UserOut } from '../../src/users/user.schemas.js';
import { WITH_OPAQUE } from '../examples/with-opaque.js';
import { MODES, TestApp } from '../support/test-app.js';
import { PASSWORD, type TestClient } from '../support/test-client.js';

/** The same story in every mode: a client helper hides what the credential is. */
/** The third strategy is the one of docs/adding-a-strategy.md: the story knows nothing of it. */
describe.each([...MODES, 'opaque', 'session,opaque'])('AUTH_MODE=%s', (mode) => {
  const [primary] = mode.split(',');
  let app: TestApp;
  beforeAll(async () => {
    // With the limits on: nothing of this is a guess, but all of it comes from one address.
    const env = { THROTTLE: 'on', THROTTLE_SIGNUPS_PER_IP: '1000/1m', THROTTLE_LOGINS_PER_IP: '1000/1m' };
    app = await TestApp.start({ mode, env, strategies: WITH_OPAQUE });
  });
  afterAll(() => app.close());

  async function signedUp(): Promise<TestClient> {
    const client = app.client();
    expect((await client.signup()).status).toBe(201);
    return client;
  }

  test('signup answers 201 with the user, the session and the credential of the primary strategy', async () => {
    const client = app.client();
    const answer = await client.signup({ name: 'Ann' });
    expect(answer.status).toBe(201);
    const body = SignedInOut.parse(answer.body);
    expect(body).toMatchObject({
      user: { email: client.email, name: 'Ann', roles: ['user'] },
      strategy: primary,
    });
    expect(Object.keys(answer.body.user).sort()).toEqual([
      'createdAt',
      'email',
      'id',
      'name',
      'roles',
      'updatedAt',
    ]);
    expect('accessToken' in answer.body).toBe(primary !== 'session');
    expect(client.jar.names.includes('sid')).toBe(primary === 'session');
    expect('csrfToken' in answer.body).toBe(primary === 'session');
  });

  test('login, me, logout: the credential works at once and is dead at once', async () => {
    const client = await signedUp();
    const device = client.sibling();
    const login = await device.login();
    expect(login.status).toBe(200);
    expect(login.body.session.id).not.toBe(client.sessionId);
    const me = await device.me();
    expect(me.status).toBe(200);
    expect(UserOut.strict().parse(me.body)).toEqual(login.body.user);

    const stolen = device.copy();
    expect((await device.logout()).status).toBe(204);
    expect((await stolen.me()).status).toBe(401);
    expect((await stolen.logout()).status).toBe(401);
    expect((await client.me()).status).toBe(200);
  });

  test('a second login is a second session of the same user', async () => {
    const client = await signedUp();
    const first = client.sessionId;
    const again = await client.sibling().login();
    expect(again.body.user.id).toBe((await client.me()).body.id);
    expect(again.body.session.id).not.toBe(first);
  });

  test.each([
    ['a wrong password', { password: `${PASSWORD} not` }],
    ['an unknown email', { email: 'nobody@example.com' }],
    ['a password that is too short to be one', { password: 'x' }],
    ['an empty password', { password: '' }],
  ])('%s is 401 login_failed, with the same words, and no cookie', async (_, fields) => {
    const client = await signedUp();
    const answer = await client.sibling().login(fields);
    expect(answer.status).toBe(401);
    expect(answer.body).toEqual({
      type: 'urn:latchkey:problem:login_failed',
      title: 'Email or password is wrong',
      status: 401,
      code: 'login_failed',
      requestId: answer.headers.get('x-request-id'),
    });
    expect(answer.setCookies).toEqual([]);
    expect(answer.headers.get('www-authenticate')).toContain(`strategy="${primary}"`);
  });

  test('without a credential: 401 that says what to send, and WWW-Authenticate for each enabled strategy', async () => {
    const answer = await app.client().me();
    expect(answer.status).toBe(401);
    expect(answer.body.code).toBe('credential_missing');
    const challenges = answer.headers.get('www-authenticate') ?? '';
    for (const name of mode.split(',')) expect(challenges).toContain(`strategy="${name}"`);
    if (mode.includes('session')) expect(answer.body.detail).toContain("credentials: 'include'");
    if (mode !== 'session') expect(answer.body.detail).toContain('Authorization: Bearer');
  });

  test('PATCH /auth/me changes the name, null clears it, and shows at once', async () => {
    const client = await signedUp();
    const renamed = await client.send('PATCH', '/auth/me', { body: { name: 'Zoë 東京' } });
    expect([renamed.status, renamed.body.name]).toEqual([200, 'Zoë 東京']);
    expect(renamed.body.updatedAt > renamed.body.createdAt).toBe(true);
    expect((await client.me()).body.name).toBe('Zoë 東京');
    const cleared = await client.send('PATCH', '/auth/me', { body: { name: null } });
    expect([cleared.status, cleared.body.name]).toEqual([200, null]);
    expect((await client.send('PATCH', '/auth/me', { body: {} })).status).toBe(400);
  });

  test('my devices: newest first, the current one marked, one ended, others ended', async () => {
    const client = await signedUp();
    const phone = client.sibling({ userAgent: 'phone' });
    const tablet = client.sibling({ userAgent: 'tablet' });
    await phone.login();
    await tablet.login();
    const { body } = await client.get('/auth/sessions');
    expect(body.sessions.map(({ userAgent }: { userAgent: string }) => userAgent)).toEqual([
      'tablet',
      'phone',
      'latchkey-tests',
    ]);
    expect(body.sessions.map(({ current }: { current: boolean }) => current)).toEqual([false, false, true]);
    expect(body.sessions[0]).toMatchObject({ id: tablet.sessionId, strategies: [primary], ip: '127.0.0.1' });

    expect((await client.send('DELETE', `/auth/sessions/${phone.sessionId}`)).status).toBe(204);
    expect((await phone.me()).status).toBe(401);
    expect((await client.send('DELETE', `/auth/sessions/${phone.sessionId}`)).status).toBe(404);
    expect((await client.send('DELETE', '/auth/sessions')).status).toBe(204);
    expect((await tablet.me()).status).toBe(401);
    expect((await client.me()).status).toBe(200);
  });

  test("AZ02 another user's session, an unknown one and what is no id are all 404", async () => {
    const client = await signedUp();
    const other = await signedUp();
    for (const id of [
      other.sessionId,
      '01890000-0000-7000-8000-000000000000',
      '1 OR 1=1',
      '99999999999999',
      '{}',
      '%00',
    ]) {
      const { status } = await client.send('DELETE', `/auth/sessions/${encodeURIComponent(id ?? '')}`);
      expect([400, 404]).toContain(status);
    }
    expect((await other.me()).status).toBe(200);
  });

  test('AZ03 ending the current session acts as a logout', async () => {
    const client = await signedUp();
    expect((await client.send('DELETE', `/auth/sessions/${client.sessionId}`)).status).toBe(204);
    expect((await client.me()).status).toBe(401);
  });

  test('changing the password ends all other sessions and keeps this one', async () => {
    const client = await signedUp();
    const other = client.sibling();
    await other.login();
    const before = client.copy();
    const next = 'another unlikely phrase 2';
    const wrong = await client.post('/auth/password', { currentPassword: 'not it', newPassword: next });
    expect([wrong.status, wrong.body.code, wrong.setCookies]).toEqual([403, 'password_incorrect', []]);
    const changed = await client.post('/auth/password', { currentPassword: PASSWORD, newPassword: next });
    expect(changed.status).toBe(204);
    expect((await other.me()).status).toBe(401);
    expect((await client.me()).status).toBe(200);
    const { body } = await client.get('/auth/sessions');
    expect(body.sessions.map(({ id }: { id: string }) => id)).toEqual([client.sessionId]);
    // The old cookie is dead; a bearer client holds nothing that the browser would have to replace.
    expect((await before.me()).status).toBe(primary === 'session' ? 401 : 200);
    expect((await client.sibling().login()).status).toBe(401);
    expect((await client.sibling().login({ password: next })).status).toBe(200);
  });

  test('GET /auth/config tells a client all that it needs to work in this mode', async () => {
    const { body } = await app.client().get('/auth/config');
    expect(body).toEqual({
      mode: mode.split(','),
      primary,
      signup: true,
      csrf: { cookie: 'CSRF-TOKEN', header: 'X-CSRF-Token' },
      refresh: mode.includes('jwt'),
      password: { minLength: 15, maxLength: 128 },
    });
  });

  test('an account is one email, however it is written; the second signup is 409', async () => {
    const client = await signedUp();
    const again = await client.sibling().signup({ email: client.email.toUpperCase() });
    expect([again.status, again.body.code, again.setCookies]).toEqual([409, 'email_taken', []]);
    expect((await client.sibling().login({ email: client.email.toUpperCase() })).status).toBe(200);
  });

  test('RC01 twenty signups at once with one email: one 201, nineteen 409', async () => {
    const one = app.client();
    const answers = await Promise.all(Array.from({ length: 20 }, () => one.sibling().signup()));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([201, ...Array<number>(19).fill(409)]);
    expect(await app.rows('SELECT id FROM users WHERE email = $1', [one.email])).toHaveLength(1);
  });

  test('login with a strategy that is not enabled is 400 and names the enabled ones', async () => {
    const client = await signedUp();
    const answer = await client.sibling().login({ strategy: 'kerberos' });
    expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed']);
    expect(answer.body.errors).toEqual([
      { path: 'strategy', message: `must be one of the enabled strategies: ${mode.split(',').join(', ')}` },
    ]);
  });

  test.each(mode.split(','))('login with strategy %s gets that credential', async (strategy) => {
    const client = (await signedUp()).sibling();
    const answer = await client.login({ strategy });
    expect([answer.status, answer.body.strategy]).toEqual([200, strategy]);
    expect((await client.me()).status).toBe(200);
  });
});

test('SIGNUP=closed: 403 signup_closed, and login goes on', async () => {
  const open = await TestApp.start({ mode: 'session' });
  const user = open.client();
  await user.signup();
  const closed = await TestApp.start({ mode: 'session', env: { SIGNUP: 'closed' }, database: open.database });
  const answer = await closed.client().signup();
  expect([answer.status, answer.body.code, answer.setCookies]).toEqual([403, 'signup_closed', []]);
  expect((await user.sibling({}, closed.url).login()).status).toBe(200);
  expect((await closed.client().get('/auth/config')).body.signup).toBe(false);
  await closed.close();
  await open.close();
});
