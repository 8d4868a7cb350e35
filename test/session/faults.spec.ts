import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { Database } from '../../src/database/database.js';
import { eventually } from '../support/processes.js';
import { TestApp } from '../support/test-app.js';
import { PASSWORD } from '../support/test-client.js';
import { cheapenPasswords } from './support/cheap-passwords.js';
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
import { cookiesOf, wire } from './support/wire.js';

const ORIGIN = 'http://localhost:3000';
const POOL_SIZE = 4;
const RECOVERY_MS = 5_000;
/** How long the principal cache may still answer reads after the database was last heard of. */
const CACHE_MS = 800;

// A server of this file's own, for all that is done to it. Commits are on disk before they are answered, as in production.
let server: OwnServer;
let app: TestApp;
let user: MintedUser;
let cookieSession: MintedSession;
let bearer: { readonly accessToken: string; readonly refreshToken: string };

beforeAll(async () => {
  server = await OwnServer.start({ synchronous_commit: 'on', max_connections: '30' });
  app = await TestApp.start({
    mode: 'session,jwt',
    database: server.database,
    env: { DATABASE_POOL_SIZE: String(POOL_SIZE), SESSION_MAX_PER_USER: '1000' },
  });
  user = await mintUser(app);
  cookieSession = await mintSession(app, user);
  bearer = await mintTokens(app, (await mintSession(app, user)).id);
}, 60_000);

afterAll(async () => {
  server.thaw();
  await app.close();
  await server.stop();
});

const cookieHeaders = () => ({ cookie: cookieSession.cookie, origin: ORIGIN });

/** What needs the database. None of them ends the sessions that the tests go on with. */
const NEEDS_DATABASE: [string, string, () => Record<string, string>, (() => unknown)?][] = [
  ['GET', '/auth/me', cookieHeaders],
  ['GET', '/auth/me', () => ({ authorization: `Bearer ${bearer.accessToken}` })],
  ['GET', '/session', cookieHeaders],
  ['GET', '/auth/sessions', cookieHeaders],
  ['GET', '/auth/csrf', cookieHeaders],
  ['PATCH', '/auth/me', cookieHeaders, () => ({ name: 'Ann' })],
  ['POST', '/auth/login', () => ({}), () => ({ email: user.email, password: PASSWORD })],
  ['POST', '/auth/login', cookieHeaders, () => ({ email: user.email, password: `${PASSWORD} wrong` })],
  ['POST', '/session', () => ({}), () => ({ email: user.email, password: PASSWORD })],
  [
    'POST',
    '/auth/signup',
    () => ({}),
    () => ({ email: `x${Math.random()}@example.com`, password: PASSWORD }),
  ],
  ['POST', '/auth/refresh', () => ({}), () => ({ refreshToken: bearer.refreshToken })],
  ['POST', '/auth/refresh', () => ({ cookie: `rt=${bearer.refreshToken}`, origin: ORIGIN })],
  ['POST', '/auth/logout', cookieHeaders],
  ['DELETE', '/session', () => ({ authorization: `Bearer ${bearer.accessToken}` })],
  ['DELETE', '/auth/sessions/01890000-0000-7000-8000-000000000000', cookieHeaders],
];

/** What does not, whatever comes along with it. */
const NEEDS_NOTHING: [string, string, number, () => Record<string, string>][] = [
  ['GET', '/health/live', 200, cookieHeaders],
  ['GET', '/auth/config', 200, cookieHeaders],
  ['GET', '/.well-known/jwks.json', 200, cookieHeaders],
  ['GET', '/auth/csrf', 200, () => ({})],
  ['GET', '/nowhere', 404, cookieHeaders],
  ['GET', '/auth/me', 401, () => ({})],
  ['GET', '/auth/me', 401, () => ({ cookie: 'sid=s%3Aforged.forged' })],
  ['GET', '/auth/me', 401, () => ({ authorization: 'Bearer a.b.c' })],
];

/** All of it while the database is out: 503 with Retry-After in time, no cookie, never 401; and the rest as ever. */
async function expectOutage({ withinMs = 3_000 } = {}): Promise<void> {
  let slowest = 0;
  await Promise.all([
    ...NEEDS_DATABASE.map(async ([method, path, headers, body]) => {
      const start = performance.now();
      const answer = await wire(app.url, method, path, { headers: headers(), body: body?.() });
      const took = performance.now() - start;
      expect([method, path, answer.status, answer.body.code]).toEqual([
        method,
        path,
        503,
        expect.stringMatching(/^(unavailable|overloaded)$/),
      ]);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(answer.setCookies).toEqual([]);
      slowest = Math.max(slowest, took);
    }),
    expectTheRest(),
  ]);
  // The limit itself is 2.5 s of database time; a hash may come before it.
  expect(slowest).toBeLessThan(withinMs + 1_000);
}

async function expectTheRest(): Promise<void> {
  for (const [method, path, status, headers] of NEEDS_NOTHING) {
    const answer = await wire(app.url, method, path, { headers: headers() });
    expect([method, path, answer.status, answer.setCookies]).toEqual([method, path, status, []]);
  }
}

/** After an outage: how long it took from `start` until the same credentials work again, and then all of it does. */
async function expectRecovery(what: string, start: number): Promise<void> {
  const cookie = cookieHeaders();
  const authorization = { authorization: `Bearer ${bearer.accessToken}` };
  const seen = new Set<number>();
  const works = async (headers: Record<string, string>) => {
    const { status } = await wire(app.url, 'PATCH', '/auth/me', { headers, body: { name: 'Ann' } });
    seen.add(status);
    return status === 200;
  };
  await eventually(async () => (await works(cookie)) && (await works(authorization)), 20_000);
  const took = performance.now() - start;
  console.log(`${what}: served again after ${Math.round(took)} ms`);
  expect([...seen].every((status) => status === 200 || status === 503)).toBe(true);
  expect(took).toBeLessThan(RECOVERY_MS);
  const login = await wire(app.url, 'POST', '/auth/login', {
    body: { email: user.email, password: PASSWORD },
  });
  expect(login.status).toBe(200);
  const refreshed = await wire(app.url, 'POST', '/auth/refresh', {
    body: { refreshToken: bearer.refreshToken },
  });
  expect([refreshed.status, refreshed.body.code]).toEqual([200, undefined]);
  bearer = refreshed.body;
  await expectTheRest();
}

/** The database was let go; resolves as soon as it takes connections. */
async function databaseIsBack(): Promise<number> {
  await eventually(
    () =>
      server.sql('SELECT 1').then(
        () => true,
        () => false,
      ),
    20_000,
  );
  return performance.now();
}

/** Cookies of sessions that no cache knows. */
async function freshCookies(count: number): Promise<string[]> {
  const sessions = await mintSessions(app, Array(count).fill(user.id));
  return sessions.map(({ cookie }) => cookie);
}

/** Resolves when so many statements wait for a lock. */
async function waitForLocks(count: number): Promise<void> {
  await eventually(async () => {
    const [row] = await app.rows<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
    );
    return (row?.n ?? 0) >= count;
  });
}

const me = (cookie: string) => wire(app.url, 'GET', '/auth/me', { headers: { cookie } });

test('FT01 kill -9 in the middle of requests: 503 in time, no login that did not happen, served again by itself', async () => {
  const users = await mintUsers(app, 12);
  const lock = new pg.Client({ connectionString: server.database.url });
  lock.on('error', () => undefined);
  await lock.connect();
  await lock.query('BEGIN');
  await lock.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [user.id]);
  const held = [
    wire(app.url, 'PATCH', '/auth/me', { headers: cookieHeaders(), body: { name: 'Bob' } }),
    wire(app.url, 'POST', '/auth/login', { body: { email: user.email, password: PASSWORD } }),
  ];
  const logins = users.map(({ email }) =>
    wire(app.url, 'POST', '/auth/login', { body: { email, password: PASSWORD } }),
  );
  await waitForLocks(held.length);
  const killed = performance.now();
  server.kill();
  for (const answer of await Promise.all(held)) {
    expect([answer.status, answer.setCookies]).toEqual([503, []]);
    expect(performance.now() - killed).toBeLessThan(4_000);
  }
  const answers = await Promise.all(logins);
  for (const { status, setCookies } of answers) {
    expect([200, 503]).toContain(status);
    expect(setCookies.length > 0).toBe(status === 200);
  }
  await expectRecovery('FT01 kill -9', await databaseIsBack());
  for (const answer of answers.filter(({ status }) => status === 200)) {
    expect((await me(cookiesOf(answer))).status).toBe(200);
  }
}, 60_000);

test('FT02 FT04 stopped for some seconds: 503 and never 401, then the same cookies work', async () => {
  await server.goAway();
  const start = performance.now();
  // Reads that the cache still proves may pass for a moment; nothing else does.
  const early = await Promise.all([me(cookieSession.cookie), wire(app.url, 'GET', '/health/live')]);
  expect([200, 503]).toContain(early[0].status);
  await delay(Math.max(0, CACHE_MS + 200 - (performance.now() - start)));
  for (let i = 0; i < 3; i++) {
    await expectOutage();
    await delay(300);
  }
  expect((await wire(app.url, 'GET', '/health/ready')).status).toBe(503);
  const down = performance.now() - start;
  await server.comeBack();
  await expectRecovery(`FT04 down for ${(down / 1000).toFixed(1)} s`, await databaseIsBack());
  expect((await wire(app.url, 'GET', '/health/ready')).status).toBe(200);
}, 60_000);

test('FT05 frozen: 503 within the limit, nobody is let in by what was known before, and nothing leaks', async () => {
  const cookies = await freshCookies(POOL_SIZE * 3);
  expect((await me(cookieSession.cookie)).status).toBe(200);
  server.freeze();
  const start = performance.now();
  try {
    await delay(CACHE_MS + 200);
    await expectOutage();
    await expectOutage();
  } finally {
    server.thaw();
  }
  console.log(`FT05 frozen for ${((performance.now() - start) / 1000).toFixed(1)} s`);
  await expectRecovery('FT05 frozen', performance.now());
  // All places of the pool can still be used at once, and every answer belongs to its question.
  const answers = await Promise.all(cookies.map(me));
  expect(answers.map(({ status }) => status)).toEqual(cookies.map(() => 200));
}, 60_000);

test('FT07 the pool exhausted: 503 after about a second, and at once 200 when a connection is free', async () => {
  const cookies = await freshCookies(10);
  const database = app.get(Database);
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const hogs = Array.from({ length: POOL_SIZE }, () =>
    database.transaction(async (tx) => {
      await tx.query('SELECT 1');
      await held;
    }),
  );
  const start = performance.now();
  const answers = await Promise.all(cookies.slice(0, 5).map(me));
  const took = performance.now() - start;
  for (const { status, headers, setCookies } of answers) {
    expect([status, Number(headers['retry-after']) > 0, setCookies]).toEqual([503, true, []]);
  }
  expect(took).toBeGreaterThan(900);
  await expectTheRest();
  release();
  // On a machine that is slow just now one of them has had the time of a transaction.
  await Promise.allSettled(hogs);
  const freed = performance.now();
  const after = await Promise.all(cookies.map(me));
  expect(after.map(({ status }) => status)).toEqual(cookies.map(() => 200));
  console.log(
    `FT07: refused after ${Math.round(took)} ms, served ${Math.round(performance.now() - freed)} ms after a connection was free`,
  );
}, 30_000);

test('sign-ins of one user that wait for each other leave the connections to everybody else', async () => {
  // The lock is held for less than the 1.5 s that a statement waits for one: real hashes could take longer.
  const node = await TestApp.start({
    mode: 'session',
    database: server.database,
    env: { DATABASE_POOL_SIZE: String(POOL_SIZE) },
  });
  cheapenPasswords(node);
  const [busy, other] = await mintUsers(node, 2);
  if (!busy || !other) throw new Error('no users');
  await server.sql('UPDATE users SET password_hash = $1 WHERE id IN ($2, $3)', [
    `cheap ${PASSWORD}`,
    busy.id,
    other.id,
  ]);
  const lock = new pg.Client({ connectionString: server.database.url });
  lock.on('error', () => undefined);
  await lock.connect();
  await lock.query('BEGIN');
  await lock.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [busy.id]);
  const logins = Array.from({ length: 2 * POOL_SIZE }, () =>
    wire(node.url, 'POST', '/auth/login', { body: { email: busy.email, password: PASSWORD } }),
  );
  await waitForLocks(1);
  const { status } = await wire(node.url, 'POST', '/auth/login', {
    body: { email: other.email, password: PASSWORD },
  });
  const [{ n } = { n: -1 }] = await node.rows<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
  );
  expect([status, n]).toEqual([200, 1]);
  await lock.query('COMMIT');
  await lock.end();
  for (const answer of await Promise.all(logins)) expect(answer.status).toBe(200);
  await node.close();
}, 30_000);

test('FT08 all connections terminated every second for 10 s: 99 of 100 reads work with one retry, none is 401', async () => {
  const cookies = await freshCookies(500);
  const tally = { ok: 0, retried: 0, failed: 0 };
  const other = new Set<number>();
  const read = async (cookie: string): Promise<void> => {
    const first = await me(cookie);
    if (first.status === 200) tally.ok += 1;
    else {
      other.add(first.status);
      await delay(100); // it says so itself, in seconds
      const second = await me(cookie);
      other.add(second.status);
      tally[second.status === 200 ? 'retried' : 'failed'] += 1;
    }
  };
  const until = performance.now() + 10_000;
  const killer = (async () => {
    while (performance.now() < until) {
      await delay(1_000);
      await server.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`,
      );
    }
  })();
  const reads: Promise<void>[] = [];
  for (const [i, cookie] of cookies.entries()) {
    await delay(Math.max(0, until - 10_000 + i * 20 - performance.now()));
    reads.push(read(cookie));
  }
  await Promise.all(reads);
  await killer;
  console.log(`FT08: ${JSON.stringify(tally)}`);
  other.delete(200);
  expect([...other].filter((status) => status !== 503)).toEqual([]);
  expect(tally.failed).toBeLessThanOrEqual(5);
  await expectRecovery('FT08 terminated', performance.now());
}, 60_000);

test('FT09 read-only, as after a failover to a replica: reads work, logins and logouts are 503, none is a false 200', async () => {
  const [fresh = ''] = await freshCookies(1);
  await server.sql('ALTER DATABASE latchkey SET default_transaction_read_only = on');
  const terminate = () =>
    server.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`,
    );
  await terminate();
  await eventually(async () => (await me(fresh)).status === 200);
  const refused: [string, string, Record<string, string>, unknown?][] = [
    ['POST', '/auth/login', {}, { email: user.email, password: PASSWORD }],
    ['POST', '/session', cookieHeaders(), { email: user.email, password: PASSWORD }],
    ['POST', '/auth/signup', {}, { email: `ro${Math.random()}@example.com`, password: PASSWORD }],
    ['POST', '/auth/logout', cookieHeaders()],
    ['DELETE', '/session', cookieHeaders()],
    ['DELETE', '/auth/sessions', cookieHeaders()],
    ['PATCH', '/auth/me', cookieHeaders(), { name: 'Bob' }],
    [
      'POST',
      '/auth/password',
      cookieHeaders(),
      { currentPassword: PASSWORD, newPassword: 'another unlikely phrase 2' },
    ],
  ];
  for (const [method, path, headers, body] of refused) {
    const answer = await wire(app.url, method, path, { headers, body });
    expect([path, answer.status, answer.body.code, answer.setCookies]).toEqual([
      path,
      503,
      'unavailable',
      [],
    ]);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  }
  for (const [method, path] of [
    ['GET', '/auth/me'],
    ['GET', '/session'],
    ['GET', '/auth/sessions'],
    ['GET', '/auth/csrf'],
  ] as const) {
    expect((await wire(app.url, method, path, { headers: cookieHeaders() })).status).toBe(200);
  }
  await server.sql('BEGIN READ WRITE; ALTER DATABASE latchkey RESET default_transaction_read_only; COMMIT');
  // No connection is cut this time: the pool itself gives up those that had refused to write.
  await expectRecovery('FT09 read-only', performance.now());
}, 60_000);

test('FT13 no connection left on the server: 503 and Retry-After, and served again when there is', async () => {
  const [fresh = ''] = await freshCookies(1);
  const hogs: pg.Client[] = [];
  const open = async (): Promise<boolean> => {
    const client = new pg.Client({ connectionString: server.database.url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      hogs.push(client);
      return true;
    } catch {
      return false;
    }
  };
  while (await open());
  const all = Number((await hogs[0]?.query('SHOW max_connections'))?.rows[0]?.max_connections);
  const ours = async () =>
    (
      await Promise.all(hogs.map((each) => each.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')))
    ).map(({ rows }) => rows[0]?.pid);
  // What is cut off comes again by itself, and a place is free only when the process that had it is gone.
  await eventually(async () => {
    await hogs[0]?.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> ALL($1::int[])`,
      [await ours()],
    );
    while (await open());
    return hogs.length === all;
  }, 20_000);
  const answer = await me(fresh);
  expect([answer.status, answer.body.code, answer.setCookies]).toEqual([503, 'unavailable', []]);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  await expectTheRest();
  await Promise.all(hogs.map((each) => each.end()));
  await expectRecovery('FT13 out of connections', performance.now());
}, 60_000);
