import dns from 'node:dns';
import { setTimeout as delay } from 'node:timers/promises';
import { Database } from '../../src/database/database.js';
import { eventually } from '../support/processes.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { TestApp } from '../support/test-app.js';
import { PASSWORD, newEmail } from '../support/test-client.js';
import { cheapenPasswords } from './support/cheap-passwords.js';
import { Ledger, credentialOf } from './support/ledger.js';
import {
  type MintedSession,
  type MintedUser,
  mintSession,
  mintSessions,
  mintTokens,
  mintUser,
  mintUsers,
} from './support/minted.js';
import { OwnServer } from './support/own-server.js';
import { StandbyPair } from './support/standby-pair.js';
import { type WireAnswer, wire } from './support/wire.js';

const ORIGIN = 'http://localhost:3000';
const POOL_SIZE = 8;
const RECOVERY_MS = 5_000;
/** How long the principal cache may still answer reads after the database was last heard of. */
const CACHE_MS = 800;

describe('a network that is worse than none', () => {
  let server: OwnServer;
  let proxy: TcpProxy;
  let app: TestApp;
  let user: MintedUser;
  let session: MintedSession;

  beforeAll(async () => {
    server = await OwnServer.start({ synchronous_commit: 'on' });
    proxy = await TcpProxy.before(server.database.url);
    app = await TestApp.start({
      mode: 'session,jwt',
      database: server.database,
      env: {
        DATABASE_URL: proxy.through(server.database.url),
        DATABASE_POOL_SIZE: String(POOL_SIZE),
        SESSION_MAX_PER_USER: '1000',
      },
    });
    cheapenPasswords(app);
    user = await mintUser(app);
    session = await mintSession(app, user);
  }, 60_000);

  afterAll(async () => {
    await app.close();
    await proxy.close();
    await server.stop();
  });

  const rename = () =>
    wire(app.url, 'PATCH', '/auth/me', {
      headers: { cookie: session.cookie, origin: ORIGIN },
      body: { name: 'Ann' },
    });
  const login = (email = user.email) =>
    wire(app.url, 'POST', '/auth/login', { body: { email, password: PASSWORD } });
  const signup = (email: string) =>
    wire(app.url, 'POST', '/auth/signup', { body: { email, password: PASSWORD } });
  const me = (cookie: string) => wire(app.url, 'GET', '/auth/me', { headers: { cookie } });

  async function freshCookies(count: number): Promise<string[]> {
    return (await mintSessions(app, Array(count).fill(user.id))).map(({ cookie }) => cookie);
  }

  /** Fills the pool with idle connections. */
  async function fillPool(): Promise<void> {
    await Promise.all(
      Array.from({ length: POOL_SIZE }, () => app.get(Database).query('SELECT pg_sleep(0.2)')),
    );
  }

  function expectOutage(answers: readonly WireAnswer[]): void {
    for (const { status, body, headers, setCookies } of answers) {
      expect([status, body.code, setCookies]).toEqual([503, 'unavailable', []]);
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    }
  }

  /** Asks for one thing after the other until it is served. */
  async function recovery(what: string, start: number): Promise<void> {
    const seen = new Set<number>();
    await eventually(async () => {
      const { status } = await rename();
      seen.add(status);
      return status === 200;
    }, 30_000);
    const took = performance.now() - start;
    console.log(`${what}: served again after ${Math.round(took)} ms`);
    expect([...seen].filter((status) => ![200, 503].includes(status))).toEqual([]);
    expect(took).toBeLessThan(RECOVERY_MS);
    // No place of the pool is held by a connection that is dead.
    await Promise.all(
      Array.from({ length: POOL_SIZE }, () => app.get(Database).query('SELECT pg_sleep(0.2)')),
    );
    expect((await login()).status).toBe(200);
  }

  test('FT14 nothing arrives any more, and nobody is told: 503 in time, never 401, served again by itself', async () => {
    await fillPool();
    const { accessToken, refreshToken } = await mintTokens(app, (await mintSession(app, user)).id);
    const cookies = await freshCookies(POOL_SIZE * 3);
    proxy.swallow();
    await delay(CACHE_MS + 200);
    // First those that hold a connection, then those that want to open one.
    for (let round = 0; round < 2; round++) {
      const start = performance.now();
      const answers = await Promise.all([
        ...cookies.map(me),
        me(session.cookie),
        rename(),
        login(),
        signup(newEmail()),
        wire(app.url, 'GET', '/auth/me', { headers: { authorization: `Bearer ${accessToken}` } }),
        wire(app.url, 'POST', '/auth/refresh', { body: { refreshToken } }),
        wire(app.url, 'POST', '/auth/logout', { headers: { cookie: session.cookie, origin: ORIGIN } }),
      ]);
      const took = performance.now() - start;
      console.log(`FT14: ${answers.length} requests refused within ${Math.round(took)} ms`);
      expectOutage(answers);
      // The limit itself is 2.5 s of database time; a hash may come before it.
      expect(took).toBeLessThan(4_000);
      expect((await wire(app.url, 'GET', '/health/live')).status).toBe(200);
      expect((await wire(app.url, 'GET', '/health/ready')).status).toBe(503);
    }
    proxy.heal();
    await recovery('FT14 vanished packets', performance.now());
    const refreshed = await wire(app.url, 'POST', '/auth/refresh', { body: { refreshToken } });
    expect(refreshed.status).toBe(200);
    expect((await wire(app.url, 'GET', '/health/ready')).status).toBe(200);
  }, 60_000);

  test('FT14 connections that died while nobody used them: the first who meet one do not wait for one after the other', async () => {
    await fillPool();
    proxy.swallow();
    proxy.heal();
    const start = performance.now();
    await recovery('FT14 a pool of dead connections', start);
  }, 60_000);

  test.each([
    [25, 'a little slower: everything works', [200, 201]],
    [300, 'far too slow: 2xx and true, or 503', [200, 201, 503]],
  ])(
    'FT14 %d ms each way, %s',
    async (milliseconds, _, allowed) => {
      const emails = Array.from({ length: 3 }, newEmail);
      const cookies = await freshCookies(6);
      const outcomes = new Map<string, WireAnswer>();
      proxy.slowDown(milliseconds);
      try {
        for (const [i, email] of emails.entries()) {
          const [signedUp, signedIn, read, renamed] = await Promise.all([
            signup(email),
            login(),
            me(cookies[i] ?? ''),
            rename(),
          ]);
          for (const answer of [signedUp, signedIn, read, renamed]) {
            expect(allowed).toContain(answer.status);
            if (answer.status === 503) expectOutage([answer]);
          }
          if (signedUp.status === 201) outcomes.set(email, signedUp);
        }
      } finally {
        proxy.slowDown(0);
      }
      await recovery(`FT14 ${milliseconds} ms each way`, performance.now());
      for (const answer of outcomes.values()) {
        expect((await wire(app.url, 'GET', '/auth/me', { headers: credentialOf(answer) })).status).toBe(200);
      }
      if (milliseconds < 100) expect(outcomes.size).toBe(emails.length);
      await expectOnce(emails);
    },
    60_000,
  );

  test('FT14 cut in the middle of answers: no false 2xx, nothing twice, nothing lost', async () => {
    const ROUNDS = 120;
    const emails: string[] = [];
    const tally = new Map<string, number>();
    const cutsBefore = proxy.cuts;
    let accountOf = (await mintUsers(app, 1))[0]!.email;
    for (let round = 0; round < ROUNDS; round++) {
      const email = newEmail();
      emails.push(email);
      // A signup is some 2,000 bytes of answers: each round is cut a little later in it, or in what comes after.
      proxy.cutAfter((round * 47) % 2_300);
      const isSignup = round % 2 === 0;
      const answer = isSignup ? await signup(email) : await login(accountOf);
      proxy.cutAfter(null);
      const what = `${isSignup ? 'signup' : 'login'} ${answer.status}`;
      tally.set(what, (tally.get(what) ?? 0) + 1);
      if (answer.status === 503) expectOutage([answer]);
      else {
        expect(answer.status).toBe(isSignup ? 201 : 200);
        const read = await wire(app.url, 'GET', '/auth/me', { headers: credentialOf(answer) });
        if (read.status !== 200) {
          // What was left of the scissors' bytes may have hit another connection; it must not have taken the session.
          expect(read.status).toBe(503);
          const again = await wire(app.url, 'GET', '/auth/me', { headers: credentialOf(answer) });
          expect(again.status).toBe(200);
        }
      }
      // After a 503 nobody knows whether it was committed. Whoever tries again is told which.
      if (isSignup && answer.status === 503) expect([201, 409]).toContain((await signup(email)).status);
      if (isSignup) accountOf = email;
    }
    console.log(`FT14 ${proxy.cuts - cutsBefore} cuts: ${JSON.stringify(Object.fromEntries(tally))}`);
    expect(proxy.cuts - cutsBefore).toBeGreaterThan(ROUNDS / 3);
    await recovery('FT14 cut', performance.now());
    await expectOnce(
      emails.filter((_, i) => i % 2 === 0),
      1,
    );
  }, 120_000);

  /** One row, or none where none is allowed, for each of the emails; and no session without its user or credential. */
  async function expectOnce(emails: string[], atLeast = 0): Promise<void> {
    const found = await app.rows<{ n: number }>(
      'SELECT (SELECT count(*)::int FROM users u WHERE u.email = e) AS n FROM unnest($1::text[]) AS e',
      [emails],
    );
    expect(found.filter(({ n }) => n > 1 || n < atLeast)).toEqual([]);
  }
});

/**
 * The host of the primary stops without a word; its standby is promoted on another address, to which the name in DATABASE_URL leads
 * from then on. The name is this process's own: what a resolver would answer is put in its place.
 */
test('FT10 a failover to another address: served again by itself within 10 s, and nothing that was promised is lost', async () => {
  const pair = await StandbyPair.start();
  const before = await TcpProxy.start({ path: pair.sockets.primary }, '127.0.0.2');
  const after = await TcpProxy.start({ path: pair.sockets.standby }, '127.0.0.3', before.port);
  const lookup = dns.lookup;
  let address = '127.0.0.2';
  const resolve = (name: string, options: unknown, callback: (...answer: unknown[]) => void) =>
    name === 'database.test'
      ? process.nextTick(callback, null, isAll(options) ? [{ address, family: 4 }] : address, 4)
      : Reflect.apply(lookup, dns, [name, options, callback]);
  Object.assign(dns, { lookup: resolve });
  const app = await TestApp.start({
    mode: 'session,jwt',
    database: { url: pair.standbyUrl, drop: async () => {} },
    env: { DATABASE_URL: `postgres://latchkey@database.test:${before.port}/latchkey?sslmode=disable` },
  });
  cheapenPasswords(app);
  const ledger = new Ledger(() => app.url, 6);
  try {
    await eventually(() => ledger.kept.length >= 20 && ledger.isServed(), 30_000);
    // No goodbye, no reset: as when a machine loses its power.
    before.swallow();
    pair.powerOff();
    await pair.promote();
    ledger.startOver();
    address = '127.0.0.3';
    const moved = performance.now();
    await eventually(() => ledger.isServed(), 30_000);
    const took = performance.now() - moved;
    console.log(`FT10: served again ${Math.round(took)} ms after the name had moved`);
    expect(took).toBeLessThan(10_000);
    await ledger.stop();
    console.log(`FT10: ${ledger.summary}`);
    expect([ledger.wrong, ledger.statuses.get('gone')]).toEqual([[], undefined]);
    expect(await ledger.lost(app.sql)).toEqual([]);
    expect(await ledger.refused()).toEqual([]);
    expect(after.connections).toBeGreaterThan(0);
  } finally {
    await ledger.stop();
    await app.close();
    Object.assign(dns, { lookup });
    await before.close();
    await after.close();
    await pair.stop();
  }
}, 120_000);

const isAll = (options: unknown): boolean =>
  typeof options === 'object' && options !== null && 'all' in options && options.all === true;
