import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PasswordHasher } from '../../src/passwords/password-hasher.js';
import { eventually } from '../support/processes.js';
import { MODES, TestApp } from '../support/test-app.js';
import { PASSWORD, type TestClient, newEmail } from '../support/test-client.js';

const WRONG = `${PASSWORD} but wrong`;
/** Hashes that everybody in here has to wait for, one at a time: more than a second. */
const AHEAD = 50;
/** As many failures as an account bears in five minutes. */
const GUESSES = 5;

describe.each(MODES)('AUTH_MODE=%s: who hangs up while a password waits for its hash', (mode) => {
  let app: TestApp;
  let hasher: PasswordHasher;
  let user: TestClient;
  let done = 0;
  let ahead: Promise<unknown>;

  beforeAll(async () => {
    const env = { THROTTLE: 'on', PASSWORD_HASH_CONCURRENCY: '1', PASSWORD_HASH_QUEUE: '200' };
    app = await TestApp.start({ mode, env });
    hasher = app.get(PasswordHasher);
    user = app.client();
    expect((await user.signup()).status).toBe(201);
  });
  beforeEach(() => {
    done = 0;
    ahead = Promise.all(
      Array.from({ length: AHEAD }, async () => {
        await hasher.hash(PASSWORD);
        done += 1;
      }),
    );
  });
  afterEach(() => ahead);
  afterAll(() => app.close());

  /** Requests of which a password waits. */
  const queued = (): number => hasher.running + hasher.waiting - (AHEAD - done);

  /** Sends it, and tells how to hang up: its connection is then gone. */
  function send(path: string, body: object, headers: Readonly<Record<string, string>> = {}) {
    const leaving = new AbortController();
    const outcome = fetch(`${app.url}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
      signal: leaving.signal,
    }).then(
      ({ status }) => status,
      () => 'gone',
    );
    return { outcome, hangUp: () => leaving.abort() };
  }

  test('leaves the queue at once, has guessed nothing, and who stays is served', async () => {
    const stays = send('/auth/login', { email: newEmail(), password: WRONG });
    const guess = { email: user.email, password: WRONG };
    const leave = Array.from({ length: GUESSES }, () => send('/auth/login', guess));
    await eventually(() => queued() === GUESSES + 1);
    for (const { hangUp } of leave) hangUp();
    await eventually(() => queued() === 1);
    expect(done).toBeLessThan(AHEAD);
    expect(await Promise.all(leave.map(({ outcome }) => outcome))).toEqual(leave.map(() => 'gone'));
    expect(await stays.outcome).toBe(401);
    expect((await user.sibling().login({ password: WRONG })).status).toBe(401);
    expect((await user.sibling().login()).status).toBe(200);
  });

  test('signs nobody up, and changes no password', async () => {
    const email = newEmail();
    const change = { currentPassword: PASSWORD, newPassword: 'another unlikely phrase 2' };
    const leave = [
      send('/auth/signup', { email, password: PASSWORD }),
      send('/auth/password', change, user.credentials),
    ];
    await eventually(() => queued() === leave.length);
    for (const { hangUp } of leave) hangUp();
    await eventually(() => queued() === 0);
    expect(done).toBeLessThan(AHEAD);
    expect(await app.rows('SELECT 1 FROM users WHERE email = $1', [email])).toEqual([]);
    await ahead;
    expect([(await user.me()).status, (await user.sibling().login()).status]).toEqual([200, 200]);
    expect(app.log.filter((line) => /"level":[56]0/.test(line))).toEqual([]);
  });
});
