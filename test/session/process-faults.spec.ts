import pg from 'pg';
import { LatchkeyProcess, newFolder } from '../boot/latchkey-process.js';
import { freePort } from '../support/free-port.mjs';
import { eventually } from '../support/processes.js';
import { TEST_SECRET } from '../support/test-app.js';
import { PASSWORD, newEmail } from '../support/test-client.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';
import { Ledger, credentialOf } from './support/ledger.js';
import { isReady, wire } from './support/wire.js';

const LANES = 6;

let database: TestDatabase;
let sql: pg.Pool;
let port: number;
let url: string;
const folder = newFolder();
let latchkey: LatchkeyProcess | undefined;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = new pg.Pool({ connectionString: database.url, max: 3 });
  sql.on('error', () => undefined);
  port = await freePort();
  url = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  await latchkey?.stop('SIGKILL');
  await sql.end();
  await database.drop();
  folder.remove();
});

/** The node of this file; a new one where the last has ended. Resolves when it is ready. */
async function node(): Promise<LatchkeyProcess> {
  latchkey ??= start();
  await eventually(() => isReady(url), 60_000);
  return latchkey;
}

function start(environment: Readonly<Record<string, string>> = {}): LatchkeyProcess {
  return new LatchkeyProcess(folder.path, {
    NODE_ENV: 'test',
    AUTH_MODE: 'session,jwt',
    APP_SECRET: TEST_SECRET,
    DATABASE_URL: database.url,
    PORT: String(port),
    PUBLIC_ORIGIN: 'http://localhost:3000',
    LOG_LEVEL: 'warn',
    THROTTLE: 'off',
    ...environment,
  });
}

/** Rows that no unit of work may leave behind, whenever its process dies. */
async function corruption(): Promise<Record<string, number>> {
  const { rows } = await sql.query<Record<string, number>>(`
    SELECT (SELECT count(*)::int FROM (SELECT FROM users GROUP BY email HAVING count(*) > 1) AS twice) AS twice,
      (SELECT count(*)::int FROM users u WHERE NOT EXISTS
        (SELECT FROM audit_events a WHERE a.user_id = u.id AND a.type = 'user_created')) AS unaudited_users,
      (SELECT count(*)::int FROM audit_events a WHERE a.type = 'user_created' AND NOT EXISTS
        (SELECT FROM users u WHERE u.id = a.user_id)) AS audited_without_users,
      (SELECT count(*)::int FROM users u WHERE NOT EXISTS
        (SELECT FROM sessions s WHERE s.user_id = u.id)) AS signups_without_session,
      (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%') AS open`);
  return rows[0] ?? {};
}
const SOUND = { twice: 0, unaudited_users: 0, audited_without_users: 0, signups_without_session: 0, open: 0 };

test('FT20 SIGKILL under load: the next start is fine, and every 2xx signup and login is there', async () => {
  const killed = await node();
  const ledger = new Ledger(() => url, LANES);
  await eventually(() => ledger.kept.length >= 30, 60_000);
  const start = performance.now();
  expect(await killed.stop('SIGKILL')).toBe('SIGKILL');
  latchkey = undefined;
  await node();
  ledger.startOver();
  await eventually(() => ledger.isServed(), 60_000);
  console.log(`FT20 SIGKILL: served again after ${Math.round(performance.now() - start)} ms, start included`);
  await ledger.stop();
  console.log(`FT20 SIGKILL: ${ledger.summary}`);
  expect(ledger.wrong).toEqual([]);
  expect(await ledger.lost(sql)).toEqual([]);
  expect(await ledger.refused()).toEqual([]);
  expect(await corruption()).toEqual(SOUND);
  // A session and its first credential are one transaction.
  const { rows } = await sql.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM sessions s WHERE NOT EXISTS (SELECT FROM credentials c WHERE c.session_id = s.id)`,
  );
  expect(rows[0]?.n).toBe(0);
}, 180_000);

test.each([
  ['SIGTERM', 'SIGTERM', 0],
  ['SIGTERM', 'SIGINT', 0],
  ['SIGINT', 'SIGKILL', 'SIGKILL'],
] as const)(
  'FT20 %s, then %s during the shutdown, under load: ends with %s; nothing promised is lost, the next start is fine',
  async (once, again, code) => {
    const ending = await node();
    const email = newEmail();
    const signup = await wire(url, 'POST', '/auth/signup', { body: { email, password: PASSWORD } });
    const headers = credentialOf(signup);
    const ledger = new Ledger(() => url, LANES);
    await eventually(() => ledger.kept.length >= 6, 60_000);
    // One request is held in the middle of its statement, so that the shutdown is still under way at the second signal.
    const lock = await sql.connect();
    await lock.query('BEGIN');
    await lock.query('SELECT 1 FROM users WHERE email = $1 FOR UPDATE', [email]);
    const held = wire(url, 'PATCH', '/auth/me', { headers, body: { name: 'Held' } }).then(
      ({ status }) => status,
      () => 'gone',
    );
    await eventually(async () => {
      const { rows } = await sql.query(
        `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return rows.length > 0;
    });
    const signalled = performance.now();
    ending.signal(once);
    await eventually(async () => !(await isReady(url)), 5_000);
    ending.signal(again);
    await lock.query('COMMIT');
    lock.release();
    expect(await ending.exited).toBe(code);
    latchkey = undefined;
    const took = performance.now() - signalled;
    console.log(`FT20 ${once}, ${again}: ended with ${code} after ${Math.round(took)} ms`);
    expect(took).toBeLessThan(10_000);
    if (code === 0) expect(await held).toBe(200);
    await ledger.stop();
    expect(ledger.wrong).toEqual([]);
    await node();
    expect(await ledger.lost(sql)).toEqual([]);
    expect(await ledger.refused()).toEqual([]);
    expect((await wire(url, 'GET', '/auth/me', { headers })).status).toBe(200);
    await eventually(async () => (await corruption())['open'] === 0);
    expect(await corruption()).toEqual(SOUND);
  },
  120_000,
);

test('FT26 a newer version adds to the tables under load: the node of this one goes on without a failed request, but starts no more', async () => {
  await node();
  const ledger = new Ledger(() => url, LANES);
  await eventually(() => ledger.kept.length >= 6, 60_000);
  // What an expanding migration may do; each of these would change the result of a `SELECT *` whose plan is kept.
  for (const statement of [
    'ALTER TABLE users ADD COLUMN later text',
    `ALTER TABLE sessions ADD COLUMN later text NOT NULL DEFAULT 'x'`,
    'ALTER TABLE credentials ADD COLUMN later jsonb',
    'CREATE INDEX CONCURRENTLY later_idx ON sessions (later)',
    'CREATE TABLE later (id uuid PRIMARY KEY, user_id uuid REFERENCES users ON DELETE CASCADE)',
    `INSERT INTO migrations (timestamp, name) VALUES (1999999999999, 'Later1999999999999')`,
  ]) {
    await sql.query(statement);
    const before = ledger.kept.length;
    await eventually(() => ledger.kept.length >= before + 3, 60_000);
  }
  await ledger.stop();
  console.log(`FT26: ${ledger.summary}`);
  expect([...ledger.statuses.keys()].sort()).toEqual([200, 201]);
  expect(await ledger.lost(sql)).toEqual([]);
  expect(await ledger.refused()).toEqual([]);
  const late = start({ PORT: String(await freePort()) });
  expect(await late.exited).toBe(1);
  expect(late.output).toMatch(/newer version.*\(Later1999999999999\)/);
  await sql.query(`DELETE FROM migrations WHERE name = 'Later1999999999999'`);
}, 120_000);

describe('five nodes that start at once on an empty database, the clocks of four of them wrong', () => {
  let started: number;
  const MINUTE = 60_000;
  const OFFSETS = [0, 5 * MINUTE, -5 * MINUTE, 60 * MINUTE, 0];
  /** The last one's clock is set back by half an hour at SIGUSR2. */
  const STEP_BACK = 30 * MINUTE;
  let empty: TestDatabase;
  let rows: pg.Pool;
  let nodes: { readonly url: string; readonly offset: number; readonly process: LatchkeyProcess }[];

  beforeAll(async () => {
    empty = await createTestDatabase({ empty: true });
    rows = new pg.Pool({ connectionString: empty.url, max: 2 });
    rows.on('error', () => undefined);
    const ports: number[] = [];
    for (const _ of OFFSETS) ports.push(await freePort());
    started = Date.now();
    nodes = OFFSETS.map((offset, i) => ({
      url: `http://127.0.0.1:${ports[i]}`,
      offset,
      process: start({
        DATABASE_URL: empty.url,
        PORT: String(ports[i]),
        LOG_FORMAT: 'json',
        LOG_LEVEL: 'info',
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(movedClock(offset, STEP_BACK))}`,
      }),
    }));
    await eventually(
      async () => (await Promise.all(nodes.map((each) => isReady(each.url)))).every(Boolean),
      120_000,
    );
    console.log(`FT25: five processes ready after ${Date.now() - started} ms`);
  }, 150_000);

  afterAll(async () => {
    await Promise.all(nodes.map((each) => each.process.stop('SIGKILL')));
    await rows.end();
    await empty.drop();
  }, 60_000);

  test('FT25 one migrated, four waited, all are up', async () => {
    const run = await rows.query<{ name: string; times: number }>(
      'SELECT name, count(*)::int AS times FROM migrations GROUP BY name',
    );
    expect(run.rows.length).toBeGreaterThan(4);
    expect(run.rows.filter(({ times }) => times !== 1)).toEqual([]);
    const told = nodes.map(
      ({ process }) => process.lines.filter((line) => /migration \S+: done in/.test(line)).length,
    );
    expect(told.reduce((sum, n) => sum + n)).toBe(run.rows.length);
  });

  test('FT23 whoever is signed in by a node with a wrong clock is so on all others, and the times are those of the database', async () => {
    for (const {
      url: at,
      offset,
      process: { lines },
    } of nodes) {
      // It has said itself how wrong it is.
      const [, itsTime = ''] = /^clock (\S+)$/m.exec(lines.join('\n')) ?? [];
      expect(Math.abs(Date.parse(itsTime) - started - offset)).toBeLessThan(MINUTE);
      const body = { email: newEmail(), password: PASSWORD };
      const signup = await wire(at, 'POST', '/auth/signup', { body });
      expect(signup.status).toBe(201);
      const token = await wire(at, 'POST', '/auth/login', { body: { ...body, strategy: 'jwt' } });
      expect(token.status).toBe(200);
      const [claims] = token.body.accessToken.split('.').slice(1, 2);
      const { iat } = JSON.parse(Buffer.from(claims, 'base64url').toString());
      const clock = await rows.query<{ now: number }>('SELECT extract(epoch FROM now())::float8 AS now');
      expect(Math.abs(iat - (clock.rows[0]?.now ?? 0))).toBeLessThan(60);
      for (const other of nodes) {
        for (const answer of [signup, token]) {
          const headers = credentialOf(answer);
          expect((await wire(other.url, 'GET', '/auth/me', { headers })).status).toBe(200);
        }
      }
    }
  });

  test('FT23 a session that has expired by the clock of the database is over on every node, also after a step back', async () => {
    const [first] = nodes;
    const stepping = nodes.at(-1);
    if (!first || !stepping) throw new Error('no nodes');
    const body = { email: newEmail(), password: PASSWORD };
    const signup = await wire(first.url, 'POST', '/auth/signup', { body });
    const headers = credentialOf(signup);
    const statuses = () =>
      Promise.all(nodes.map(async (each) => (await wire(each.url, 'GET', '/auth/me', { headers })).status));
    expect(await statuses()).toEqual([200, 200, 200, 200, 200]);
    await rows.query(`UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = $1`, [
      signup.body.session.id,
    ]);
    await eventually(async () => (await statuses()).every((status) => status === 401), 10_000);
    stepping.process.signal('SIGUSR2');
    await stepping.process.says(/stepped back/);
    expect(await statuses()).toEqual([401, 401, 401, 401, 401]);
    const again = await wire(stepping.url, 'POST', '/auth/login', { body });
    expect(again.status).toBe(200);
    for (const other of nodes) {
      const answer = await wire(other.url, 'GET', '/auth/me', { headers: credentialOf(again) });
      expect(answer.status).toBe(200);
    }
  });
});

/** A program that a node runs before its own: its wall clock is wrong from then on, its monotonic one is not. */
function movedClock(offset: number, step: number): string {
  return `
    let offset = ${offset};
    const now = Date.now;
    globalThis.Date = class extends Date {
      constructor(...parameters) {
        if (parameters.length === 0) super(now() + offset);
        else super(...parameters);
      }
      static now() { return now() + offset; }
    };
    console.log('clock ' + new Date().toISOString());
    process.on('SIGUSR2', () => { offset -= ${step}; console.log('stepped back'); });`;
}
