import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PasswordHasher } from '../../src/passwords/password-hasher.js';
import { SessionsService } from '../../src/sessions/sessions.service.js';
import { ThrottlePruner } from '../../src/throttle/throttle-pruner.js';
import { Throttle } from '../../src/throttle/throttle.js';
import { MODES, TEST_SECRET, TestApp } from '../support/test-app.js';
import { type Answer, PASSWORD, type TestClient, newEmail } from '../support/test-client.js';
import { counting } from './support/sharing.js';

const WRONG = `${PASSWORD} but wrong`;
const ON = { THROTTLE: 'on', TRUST_PROXY: '1' };
/** Out of the way of tests that are about something else. */
const WIDE = {
  THROTTLE_LOGIN_FAILURES_PER_IP: '100000/1m',
  THROTTLE_LOGINS_PER_IP: '100000/1m',
  THROTTLE_SIGNUPS_PER_IP: '100000/1m',
};

let serial = 0;
/** An address that nobody has used. */
function newAddress(): string {
  serial += 1;
  return `203.0.${serial >> 8}.${serial & 255}`;
}

/** Requests as a proxy passes them on from that address. */
function from(address: string): { headers: Record<string, string> } {
  return { headers: { 'x-forwarded-for': address } };
}

function login(client: TestClient, address: string, password: string, path = '/auth/login'): Promise<Answer> {
  return client.post(path, { email: client.email, password }, from(address));
}

/** The status of each of so many wrong passwords, one after the other. */
async function guesses(
  client: TestClient,
  address: string | (() => string),
  count: number,
): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = typeof address === 'string' ? address : address();
    statuses.push((await login(client, at, WRONG)).status);
  }
  return statuses;
}

const times = (count: number, status: number): number[] => Array<number>(count).fill(status);

function expectTooMany(answer: Answer): void {
  expect([answer.status, answer.body.code]).toEqual([429, 'too_many_requests']);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(answer.setCookies).toEqual([]);
}

/** Signs up from an address of its own, which is known from then on. */
async function signedUp(app: TestApp, home = newAddress()): Promise<{ user: TestClient; home: string }> {
  const user = app.client({ address: home });
  expect((await user.signup()).status).toBe(201);
  return { user, home };
}

describe.each(MODES)('AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  const counted = counting(() => app);
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { ...ON, ...WIDE } });
  });
  afterAll(() => app.close());

  counted(
    'BR01 the sixth wrong password from unknown addresses is 429, then the right one from there too; from a known address it works',
    async () => {
      const { user, home } = await signedUp(app);
      const stranger = user.sibling();
      expect(await guesses(stranger, newAddress, 5)).toEqual(times(5, 401));
      const refused = await login(stranger, newAddress(), WRONG);
      expectTooMany(refused);
      expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(300);
      expectTooMany(await login(stranger, newAddress(), PASSWORD));
      expect((await login(user.sibling(), home, PASSWORD)).status).toBe(200);
      expectTooMany(await login(stranger, newAddress(), PASSWORD));
    },
  );

  counted('BR01 each known address has five of its own', async () => {
    const { user, home } = await signedUp(app);
    const office = newAddress();
    expect((await login(user.sibling(), office, PASSWORD)).status).toBe(200);
    expect(await guesses(user.sibling(), home, 6)).toEqual([...times(5, 401), 429]);
    expectTooMany(await login(user.sibling(), home, PASSWORD));
    expect(await guesses(user.sibling(), office, 4)).toEqual(times(4, 401));
    expect((await login(user.sibling(), office, PASSWORD)).status).toBe(200);
    expect((await login(user.sibling(), newAddress(), PASSWORD)).status).toBe(200);
  });

  counted('POST /session counts as a login', async () => {
    const { user } = await signedUp(app);
    expect(await guesses(user.sibling(), newAddress, 3)).toEqual(times(3, 401));
    for (let i = 0; i < 2; i++)
      expect((await login(user.sibling(), newAddress(), WRONG, '/session')).status).toBe(401);
    expectTooMany(await login(user.sibling(), newAddress(), PASSWORD, '/session'));
    expectTooMany(await login(user.sibling(), newAddress(), PASSWORD));
  });

  counted(
    'BR08 whoever locks a user out of sign-in touches no live session, and it ends by itself',
    async () => {
      const { user, home } = await signedUp(app);
      await guesses(user.sibling(), newAddress, 8);
      expect((await user.me()).status).toBe(200);
      expect((await login(user.sibling(), home, PASSWORD)).status).toBe(200);
      const answer = await login(user.sibling(), newAddress(), PASSWORD);
      expectTooMany(answer);
      await app.rows(
        `UPDATE throttle_counters SET expires_at = now() WHERE key LIKE 'login-failures-per-account:%'`,
      );
      expect((await login(user.sibling(), newAddress(), PASSWORD)).status).toBe(200);
    },
  );

  counted('BR14 a 429 runs no hash, and neither do guesses in parallel beyond the limit', async () => {
    const { user } = await signedUp(app);
    const hasher = app.get(PasswordHasher);
    const verify = hasher.verify.bind(hasher);
    let hashes = 0;
    hasher.verify = (...args) => {
      hashes += 1;
      return verify(...args);
    };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => login(user.sibling(), newAddress(), WRONG)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([...times(5, 401), ...times(15, 429)]);
    expect(hashes).toBe(5);
    expectTooMany(await login(user.sibling(), newAddress(), PASSWORD));
    expect(hashes).toBe(5);
    hasher.verify = verify;
  });

  counted(
    'wrong current passwords are counted by session: five, then 429; the session lives, other sessions have their own',
    async () => {
      const { user } = await signedUp(app);
      const other = user.sibling();
      expect((await other.login()).status).toBe(200);
      const change = (client: TestClient, currentPassword: string) =>
        client.post('/auth/password', { currentPassword, newPassword: 'entirely new words 7' });
      for (let i = 0; i < 5; i++) expect((await change(user, WRONG)).body.code).toBe('password_incorrect');
      const refused = await change(user, PASSWORD);
      expectTooMany(refused);
      expect(refused.headers.get('ratelimit-policy')).toBe('"wrong-passwords-per-session";q=5;w=900');
      expect((await user.me()).status).toBe(200);
      const answer = await change(other, WRONG);
      expect(answer.body.code).toBe('password_incorrect');
      expect(answer.headers.get('ratelimit')).toMatch(/^"wrong-passwords-per-session";r=4;t=\d+$/);
      expect((await change(other, PASSWORD)).status).toBe(204);
    },
  );

  counted('a new password that the policy refuses costs no guess of the current one', async () => {
    const { user } = await signedUp(app);
    const change = (newPassword: string) =>
      user.post('/auth/password', { currentPassword: PASSWORD, newPassword });
    for (let i = 0; i < 7; i++) expect((await change('short')).status).toBe(400);
    expect((await change('entirely new words 7')).status).toBe(204);
  });
});

describe('accounts', () => {
  let app: TestApp;
  const counted = counting(() => app);
  beforeAll(async () => {
    app = await TestApp.start({ mode: 'session', env: { ...ON, ...WIDE } });
  });
  afterAll(() => app.close());

  counted('BR01 an account that does not exist is limited like one that does', async () => {
    const stranger = app.client();
    expect(await guesses(stranger, newAddress, 7)).toEqual([...times(5, 401), 429, 429]);
    const { user } = await signedUp(app);
    await guesses(user.sibling(), newAddress, 5);
    const [known, unknown] = [
      await login(user.sibling(), newAddress(), WRONG),
      await login(stranger, newAddress(), WRONG),
    ];
    const shown = ({ status, body, headers }: Answer) => [
      status,
      { ...body, requestId: '' },
      [...headers.keys()].filter((name) => name !== 'ratelimit-reset').sort(),
    ];
    expect(shown(known)).toEqual(shown(unknown));
  });

  counted(
    'BR02 a hundred wrong passwords in a day from unknown addresses are the end, however slowly they come',
    async () => {
      const { user, home } = await signedUp(app);
      expect(await guesses(user.sibling(), newAddress, 6)).toEqual([...times(5, 401), 429]);
      // As if nineteen rounds of five had gone by, five minutes each.
      const moved = await app.rows(
        `UPDATE throttle_counters SET points = points + 93 WHERE key LIKE 'login-failures-per-account-and-day:%' AND points = 5
       RETURNING key`,
      );
      expect(moved.length).toBeGreaterThan(0);
      await app.rows(
        `UPDATE throttle_counters SET expires_at = now() WHERE key LIKE 'login-failures-per-account:%'`,
      );
      expect(await guesses(user.sibling(), newAddress, 3)).toEqual([401, 401, 429]);
      const refused = await login(user.sibling(), newAddress(), PASSWORD);
      expectTooMany(refused);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3600);
      expect((await login(user.sibling(), home, PASSWORD)).status).toBe(200);
    },
  );

  counted('BR07 spellings of one address are one account; +tag is another', async () => {
    const { user } = await signedUp(app);
    const { email } = user;
    const guess = (spelling: string) =>
      app.client().post('/auth/login', { email: spelling, password: WRONG }, from(newAddress()));
    const spellings = [
      email.toUpperCase(),
      email.replace('@', '\uff20'),
      email.replace('example', 'EXAMPLE'),
    ];
    for (const spelling of [email, ...spellings, email]) expect((await guess(spelling)).status).toBe(401);
    for (const spelling of [email, ...spellings]) expectTooMany(await guess(spelling));
    expect((await guess(email.replace('@', '+tag@'))).status).toBe(401);
  });

  counted('BR13 success empties the counter of the account', async () => {
    const { user } = await signedUp(app);
    const road = newAddress();
    expect(await guesses(user.sibling(), road, 4)).toEqual(times(4, 401));
    expect((await login(user.sibling(), road, PASSWORD)).status).toBe(200);
    // From other unknown addresses, since that one is known now.
    expect(await guesses(user.sibling(), newAddress, 5)).toEqual(times(5, 401));
    expectTooMany(await login(user.sibling(), newAddress(), PASSWORD));
  });

  counted('right passwords cost nothing, in parallel too as far as the limit lets them', async () => {
    const { user, home } = await signedUp(app);
    for (let i = 0; i < 8; i++) expect((await login(user.sibling(), home, PASSWORD)).status).toBe(200);
    const answers = await Promise.all(Array.from({ length: 5 }, () => login(user.sibling(), home, PASSWORD)));
    expect(answers.map(({ status }) => status)).toEqual(times(5, 200));
  });

  counted(
    'what a right password costs meanwhile is given back before the answer, also when the sign-in fails after it',
    async () => {
      const { user, home } = await signedUp(app);
      const throttle = app.get(Throttle);
      const giveBack = throttle.giveBack.bind(throttle);
      let givenBack = 0;
      throttle.giveBack = async (counted) => {
        await delay(200);
        await giveBack(counted);
        givenBack += 1;
      };
      const sessions = app.get(SessionsService);
      const start = sessions.start.bind(sessions);
      try {
        expect((await login(user.sibling(), home, PASSWORD)).status).toBe(200);
        expect(givenBack).toBe(1);
        sessions.start = () => Promise.reject(new TypeError('broken for this test'));
        expect((await login(user.sibling(), home, PASSWORD)).status).toBe(500);
        expect(givenBack).toBe(2);
      } finally {
        throttle.giveBack = giveBack;
        sessions.start = start;
      }
    },
  );

  counted(
    'an address is known for 30 days after the last sign-in from it, and pruned after that',
    async () => {
      const { user, home } = await signedUp(app);
      const age = (interval: string) =>
        app.rows(
          `UPDATE known_addresses SET last_seen = now() - $2::interval WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
          [user.email, interval],
        );
      await guesses(user.sibling(), newAddress, 5);
      await age('29 days 23 hours');
      await app.get(ThrottlePruner).prune();
      expect((await login(user.sibling(), home, WRONG)).status).toBe(401);
      await age('30 days 1 hour');
      expectTooMany(await login(user.sibling(), home, PASSWORD));
      await app.get(ThrottlePruner).prune();
      const left = await app.rows(
        'SELECT 1 FROM known_addresses k JOIN users u ON u.id = k.user_id WHERE u.email = $1',
        [user.email],
      );
      expect(left).toEqual([]);
    },
  );

  counted('a sign-in makes an address known that was not, and renews one that was', async () => {
    const { user, home } = await signedUp(app);
    const away = newAddress();
    expect((await login(user.sibling(), away, PASSWORD)).status).toBe(200);
    await app.rows(`UPDATE known_addresses SET last_seen = now() - interval '29 days'`);
    expect((await login(user.sibling(), home, PASSWORD)).status).toBe(200);
    const rows = await app.rows<{ old: boolean }>(
      `SELECT last_seen < now() - interval '28 days' AS old FROM known_addresses k JOIN users u ON u.id = k.user_id
       WHERE u.email = $1 ORDER BY last_seen`,
      [user.email],
    );
    expect(rows).toEqual([{ old: true }, { old: false }]);
  });

  counted('neither an email nor an address of a user is in what is kept about accounts', async () => {
    const { user } = await signedUp(app, '198.51.100.77');
    await guesses(user.sibling(), newAddress, 1);
    const rows = await app.rows<{ key: string }>(
      `SELECT key FROM throttle_counters UNION ALL SELECT encode(address_hash, 'base64') FROM known_addresses`,
    );
    expect(rows.length).toBeGreaterThan(3);
    for (const { key } of rows) {
      expect(key).not.toContain('@');
      if (!key.includes('per-address:')) expect(key).not.toMatch(/\d+\.\d+\.\d+/);
    }
  });

  counted('counters whose window has ended are pruned, others stay', async () => {
    await guesses(app.client(), newAddress, 2);
    await app.rows(
      `UPDATE throttle_counters SET expires_at = now() - interval '1 second' WHERE key LIKE 'logins-per-%'`,
    );
    await app.rows(
      `INSERT INTO throttle_counters SELECT 'old:' || i, 1, now() - interval '1 day' FROM generate_series(1, 2500) i`,
    );
    const [begun] = await app.rows<{ at: Date }>('SELECT now() AS at');
    expect(await app.get(ThrottlePruner).prune()).toBeGreaterThan(2500);
    const [left] = await app.rows<{ over: string; live: string }>(
      `SELECT count(*) FILTER (WHERE expires_at < $1) AS over, count(*) FILTER (WHERE expires_at > $1) AS live
       FROM throttle_counters`,
      [begun?.at],
    );
    expect(Number(left?.over)).toBe(0);
    expect(Number(left?.live)).toBeGreaterThan(0);
  });

  counted('a login that could not be judged costs nothing', async () => {
    const { user } = await signedUp(app);
    const hasher = app.get(PasswordHasher);
    const verify = hasher.verify.bind(hasher);
    hasher.verify = () => Promise.reject(new TypeError('broken for this test'));
    for (let i = 0; i < 7; i++) expect((await login(user.sibling(), newAddress(), WRONG)).status).toBe(500);
    hasher.verify = verify;
    expect((await login(user.sibling(), newAddress(), PASSWORD)).status).toBe(200);
  });

  counted('GET /auth/me and other routes know nothing of limits', async () => {
    const { user } = await signedUp(app);
    await app.rows('SELECT 1');
    for (const path of ['/auth/me', '/auth/config', '/auth/sessions', '/session', '/nowhere']) {
      const { headers } = await user.get(path);
      expect([path, headers.get('ratelimit'), headers.get('ratelimit-policy')]).toEqual([path, null, null]);
    }
  });
});

test('APP_SECRET in rotation: addresses that were known stay known, also when it is over', async () => {
  const old = await TestApp.start({ mode: 'session', env: { ...ON, ...WIDE } });
  const { user, home } = await signedUp(old);
  const secret = Buffer.alloc(32, newEmail()).toString('base64');
  const APP_SECRET = `${secret},${TEST_SECRET}`;
  const rotated = await TestApp.start({
    mode: 'session',
    env: { ...ON, ...WIDE, APP_SECRET },
    database: old.database,
  });
  const elsewhere = user.sibling(undefined, rotated.url);
  await guesses(elsewhere, newAddress, 6);
  expectTooMany(await login(elsewhere, newAddress(), PASSWORD));
  expect((await login(user.sibling(undefined, rotated.url), home, PASSWORD)).status).toBe(200);
  await rotated.close();
  // Known by the new secret as well from then on, though the other had made it known just before.
  const after = await TestApp.start({
    mode: 'session',
    env: { ...ON, ...WIDE, APP_SECRET: secret },
    database: old.database,
  });
  expect((await login(user.sibling(undefined, after.url), home, PASSWORD)).status).toBe(200);
  await after.close();
  await old.close();
});
