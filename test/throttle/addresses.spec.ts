import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { networkOf } from '../../src/http/network-of.js';
import { PasswordHasher } from '../../src/passwords/password-hasher.js';
import { TestApp } from '../support/test-app.js';
import {
  type Answer,
  PASSWORD,
  type RequestOptions,
  type TestClient,
  newEmail,
} from '../support/test-client.js';
import { counting } from './support/sharing.js';

const WRONG = `${PASSWORD} but wrong`;
const ON = { THROTTLE: 'on', TRUST_PROXY: '1' };

let serial = 0;
function newAddress(): string {
  serial += 1;
  return `198.51.${serial >> 8}.${serial & 255}`;
}

const times = (count: number, status: number): number[] => Array<number>(count).fill(status);

function expectTooMany(answer: Answer): void {
  expect([answer.status, answer.body.code]).toEqual([429, 'too_many_requests']);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
}

/** Statuses of so many requests, one after the other. */
async function statuses(count: number, send: (index: number) => Promise<Answer>): Promise<number[]> {
  const list: number[] = [];
  for (let i = 0; i < count; i++) list.push((await send(i)).status);
  return list;
}

/** A guess at an account that nobody has guessed at. */
function guess(client: TestClient, options: RequestOptions = {}): Promise<Answer> {
  return client.post('/auth/login', { email: newEmail(), password: WRONG }, options);
}

describe.each(['session', 'jwt'])('AUTH_MODE=%s, default limits', (mode) => {
  let app: TestApp;
  const counted = counting(() => app);
  let user: TestClient;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: ON });
    user = app.client({ address: newAddress() });
    expect((await user.signup()).status).toBe(201);
  });
  afterAll(() => app.close());

  counted(
    'ten failures a minute from one address, whatever the accounts; a right password is refused there too, and works elsewhere',
    async () => {
      const address = newAddress();
      expect(await statuses(12, () => guess(app.client({ address })))).toEqual([...times(10, 401), 429, 429]);
      expectTooMany(await user.sibling({ address }).login());
      expectTooMany(
        await user.sibling({ address }).post('/session', { email: user.email, password: PASSWORD }),
      );
      expect((await user.sibling({ address: newAddress() }).login()).status).toBe(200);
    },
  );

  counted('BR13 success gives the address its own attempt back, and no other', async () => {
    const address = newAddress();
    expect(await statuses(9, () => guess(app.client({ address })))).toEqual(times(9, 401));
    expect((await user.sibling({ address }).login()).status).toBe(200);
    expect(await statuses(2, () => guess(app.client({ address })))).toEqual([401, 429]);
  });

  counted('thirty logins a minute from one address, good ones too', async () => {
    const address = newAddress();
    const key = `logins-per-address:${address}`;
    expect((await user.sibling({ address }).login()).status).toBe(200);
    await app.rows('UPDATE throttle_counters SET points = points + 28 WHERE key = $1', [key]);
    const last = await user.sibling({ address }).login();
    expect(last.status).toBe(200);
    expect(last.headers.get('ratelimit')).toMatch(/^"logins-per-address";r=0;t=\d+, /);
    expectTooMany(await user.sibling({ address }).login());
    expect((await user.sibling({ address: newAddress() }).login()).status).toBe(200);
    await app.rows('UPDATE throttle_counters SET expires_at = now() WHERE key = $1', [key]);
    expect((await user.sibling({ address }).login()).status).toBe(200);
  });

  counted(
    'EN06 twenty signups a minute from one address; a taken email spends one, and login goes on',
    async () => {
      const address = newAddress();
      expect((await app.client({ address }).signup()).status).toBe(201);
      expect((await user.sibling({ address }).signup()).status).toBe(409);
      await app.rows('UPDATE throttle_counters SET points = points + 17 WHERE key = $1', [
        `signups-per-address:${address}`,
      ]);
      const answer = await app.client({ address }).signup();
      expect(answer.status).toBe(201);
      expect(answer.headers.get('ratelimit-policy')).toBe('"signups-per-address";q=20;w=60');
      expect(answer.headers.get('ratelimit')).toMatch(/^"signups-per-address";r=0;t=\d+$/);
      const refused = app.client({ address });
      expectTooMany(await refused.signup());
      expect(await app.rows('SELECT 1 FROM users WHERE email = $1', [refused.email])).toEqual([]);
      expect((await user.sibling({ address }).login()).status).toBe(200);
      expect((await app.client({ address: newAddress() }).signup()).status).toBe(201);
    },
  );

  counted('400, 403, 413 and 415 spend nothing', async () => {
    const address = newAddress();
    const client = app.client({ address });
    const json = { 'content-type': 'application/json' };
    const email = newEmail();
    for (const path of ['/auth/login', '/auth/signup', '/session']) {
      for (let i = 0; i < 12; i++) {
        const wrong: [RequestOptions, number][] = [
          [{ raw: '{', headers: json }, 400],
          [{ body: { email } }, 400],
          [{ body: { email: 'nobody', password: WRONG } }, 400],
          [{ body: { email, password: 'short', extra: true } }, 400],
          [{ body: { email, password: WRONG }, headers: { origin: 'https://evil.example' } }, 403],
          [{ raw: 'x'.repeat(20_000), headers: json }, 413],
          [{ raw: 'email', headers: { 'content-type': 'text/plain' } }, 415],
        ];
        const [options, status] = wrong[i % wrong.length]!;
        expect([path, (await client.send('POST', path, options)).status]).toEqual([path, status]);
      }
    }
    expect((await client.post('/auth/signup', { email, password: 'password' })).status).toBe(400);
    expect(await app.rows('SELECT key FROM throttle_counters WHERE key LIKE $1', [`%${address}`])).toEqual(
      [],
    );
  });

  counted('429 comes after 413, 415 and a malformed body, and before 403 and wrong fields', async () => {
    const address = newAddress();
    await statuses(10, () => guess(app.client({ address })));
    const client = app.client({ address });
    const json = { 'content-type': 'application/json' };
    const foreign = { origin: 'https://evil.example' };
    const send = async (options: RequestOptions) =>
      (await client.send('POST', '/auth/login', options)).status;
    expect(await send({ raw: 'x'.repeat(20_000), headers: { ...json, ...foreign } })).toBe(413);
    expect(await send({ raw: '{', headers: { 'content-type': 'text/plain', ...foreign } })).toBe(415);
    expect(await send({ raw: '{', headers: { ...json, ...foreign } })).toBe(400);
    expect(await send({ body: {}, headers: foreign })).toBe(429);
    expect(await send({ body: {} })).toBe(429);
  });

  counted(
    'whoever goes on from a refused address holds nothing of the account, not even for a moment: others sign in',
    async () => {
      const address = newAddress();
      const victim = app.client({ address: newAddress() });
      expect((await victim.signup()).status).toBe(201);
      expect(await statuses(11, () => guess(app.client({ address })))).toEqual([...times(10, 401), 429]);
      for (let round = 0; round < 20; round++) {
        const flood = Array.from({ length: 30 }, () =>
          victim.sibling({ address }).post('/auth/login', { email: victim.email, password: WRONG }),
        );
        const [answer, ...refused] = await Promise.all([
          victim.sibling({ address: newAddress() }).login(),
          ...flood,
        ]);
        expect([round, answer.status]).toEqual([round, 200]);
        expect(refused.map(({ status }) => status)).toEqual(times(30, 429));
      }
    },
  );

  counted('the headers of the draft are on the answers of throttled routes, refusals included', async () => {
    const client = app.client({ address: newAddress() });
    const policy = '"logins-per-address";q=30;w=60, "login-failures-per-address";q=10;w=60';
    const invalid = await client.post('/auth/login', {});
    expect(invalid.headers.get('ratelimit-policy')).toBe(policy);
    expect(invalid.headers.get('ratelimit')).toBe(
      '"logins-per-address";r=30, "login-failures-per-address";r=10',
    );
    const wrong = await guess(client);
    expect(wrong.status).toBe(401);
    expect(wrong.headers.get('ratelimit-policy')).toBe(policy);
    expect(wrong.headers.get('ratelimit')).toMatch(
      /^"logins-per-address";r=29;t=\d+, "login-failures-per-address";r=9;t=\d+$/,
    );
    await statuses(9, () => guess(client));
    const refused = await guess(client);
    expectTooMany(refused);
    expect(refused.headers.get('ratelimit-policy')).toBe(policy);
    expect(refused.headers.get('ratelimit')).toMatch(/"login-failures-per-address";r=0;t=\d+$/);
  });
});

describe('where a request comes from', () => {
  /** A window that no busy machine outlasts. */
  const LONG = { THROTTLE: 'on', THROTTLE_LOGIN_FAILURES_PER_IP: '10/1h' };

  test('BR04 BR05 without a trusted proxy no forwarding header makes another address', async () => {
    const app = await TestApp.start({ mode: 'session', env: LONG });
    const names = ['x-forwarded-for', 'x-real-ip', 'forwarded', 'cf-connecting-ip', 'true-client-ip'];
    const list = await statuses(10 + names.length, (i) => {
      const address = newAddress();
      const value = i % 7 === 0 ? `${address}, 10.0.0.1, 192.0.2.7` : address;
      const name = names[i % names.length]!;
      return guess(app.client(), { headers: { [name]: name === 'forwarded' ? `for=${address}` : value } });
    });
    expect(list).toEqual([...times(10, 401), ...times(names.length, 429)]);
    const forged = Array.from({ length: 1000 }, () => newAddress());
    for (let at = 0; at < forged.length; at += 50) {
      const answers = await Promise.all(
        forged
          .slice(at, at + 50)
          .map((address) => guess(app.client(), { headers: { 'x-forwarded-for': address } })),
      );
      expect(answers.map(({ status }) => status)).toEqual(times(50, 429));
    }
    await app.close();
  }, 60_000);

  test('BR05 behind one proxy the address that it has added counts, not what the client wrote before', async () => {
    const app = await TestApp.start({ mode: 'session', env: { ...LONG, TRUST_PROXY: '1' } });
    const address = newAddress();
    const list = await statuses(12, () =>
      guess(app.client(), { headers: { 'x-forwarded-for': `${newAddress()}, ${address}` } }),
    );
    expect(list).toEqual([...times(10, 401), 429, 429]);
    await app.close();
  });

  test('an IPv6 address counts by its /64', async () => {
    const app = await TestApp.start({ mode: 'session', env: { ...LONG, TRUST_PROXY: '1' } });
    const at = (address: string) => guess(app.client({ address }));
    expect(await statuses(11, (i) => at(`2001:db8:1:2:${i}::${i}`))).toEqual([...times(10, 401), 429]);
    expect((await at('2001:db8:1:2::')).status).toBe(429);
    expect((await at('2001:db8:1:3::')).status).toBe(401);
    await app.close();
  });

  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8::/64'],
    ['2001:db8:0:1::', '2001:db8:0:1::/64'],
    ['::1', '::/64'],
    ['2001:db8::', '2001:db8::/64'],
    ['1:2:3::8', '1:2:3::/64'],
    ['1::2:3:4:5:6:7', '1:0:2:3::/64'],
    ['64:ff9b::192.0.2.33', '64:ff9b::/64'],
    ['fe80::', 'fe80::/64'],
  ])('%s is of %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe.each(['jwt', 'session,jwt'])('refreshes, AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  const counted = counting(() => app);
  let user: TestClient;
  beforeAll(async () => {
    app = await TestApp.start({
      mode,
      env: { ...ON, THROTTLE_REFUSED_REFRESHES_PER_IP: '8/5m' },
    });
    user = app.client({ address: newAddress() });
    await user.signup();
    if (mode !== 'jwt') await user.login({ strategy: 'jwt' });
  });
  afterAll(() => app.close());

  const refresh = (address: string, refreshToken?: string, headers = {}) =>
    app.client({ address }).post('/auth/refresh', { refreshToken }, { headers });

  counted(
    'refused ones are counted by address, in the body and in a cookie; then every refresh from there is 429, before the token is looked at',
    async () => {
      const address = newAddress();
      const bad = `lkr_${'a'.repeat(43)}`;
      const unknownField = { refreshToken: bad, extra: true };
      expect((await app.client({ address }).post('/auth/refresh', unknownField)).status).toBe(400);
      expect(await statuses(4, () => refresh(address, bad))).toEqual(times(4, 401));
      const cookie = { cookie: `rt=${bad}`, 'sec-fetch-site': 'same-origin' };
      expect(await statuses(4, () => refresh(address, undefined, cookie))).toEqual(times(4, 401));
      expectTooMany(await refresh(address, bad));
      const token = user.refreshToken;
      const refused = await refresh(address, token);
      expectTooMany(refused);
      expect(refused.headers.get('ratelimit-policy')).toBe('"refused-refreshes-per-address";q=8;w=300');
      const good = await refresh(newAddress(), token);
      expect(good.status).toBe(200);
      expect(good.headers.get('ratelimit')).toBe('"refused-refreshes-per-address";r=8');
    },
  );

  counted('good ones cost nothing', async () => {
    const address = newAddress();
    const client = app.client({ address });
    await client.signup();
    if (mode !== 'jwt') await client.login({ strategy: 'jwt' });
    let token = client.refreshToken;
    for (let i = 0; i < 12; i++) {
      const answer = await refresh(address, token);
      expect(answer.status).toBe(200);
      token = answer.body.refreshToken;
    }
  });
});

test('THROTTLE=off: nothing is counted, and no header is there', async () => {
  const app = await TestApp.start({ mode: 'session', env: { THROTTLE: 'off' } });
  const answers = await Promise.all(Array.from({ length: 15 }, () => guess(app.client())));
  expect(answers.map(({ status }) => status)).toEqual(times(15, 401));
  expect(answers[0]?.headers.get('ratelimit')).toBeNull();
  expect(answers[0]?.headers.get('ratelimit-policy')).toBeNull();
  expect(await app.rows('SELECT 1 FROM throttle_counters')).toEqual([]);
  await app.close();
});

test('BR16 300 logins at once: few hashes wait, the others are refused, and whoever is signed in goes on', async () => {
  const app = await TestApp.start({
    mode: 'session',
    env: {
      ...ON,
      PASSWORD_HASH_QUEUE: '4',
      PASSWORD_HASH_CONCURRENCY: '1',
      THROTTLE_LOGIN_FAILURES_PER_IP: '10/1h',
    },
  });
  const user = app.client({ address: newAddress() });
  expect((await user.signup()).status).toBe(201);
  expect((await user.me()).status).toBe(200);
  const hasher = app.get(PasswordHasher);
  let waiting = 0;
  const watch = setInterval(() => (waiting = Math.max(waiting, hasher.waiting)), 1);
  const crowd = Array.from({ length: 300 }, (_, i) =>
    guess(app.client({ address: i < 100 ? '192.0.2.1' : newAddress() })),
  );
  const calm = await statuses(10, () => user.me());
  const answers = await Promise.all(crowd);
  clearInterval(watch);
  expect(calm).toEqual(times(10, 200));
  expect(waiting).toBeLessThanOrEqual(4);
  const seen = new Set(answers.map(({ status }) => status));
  expect([...seen].filter((status) => ![401, 429, 503].includes(status))).toEqual([]);
  expect(answers.slice(0, 100).filter(({ status }) => status === 401).length).toBeLessThanOrEqual(10);
  for (const { status, headers } of answers)
    if (status !== 401) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  await app.close();
}, 60_000);
