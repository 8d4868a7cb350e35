import pg from 'pg';
import { LatchkeyProcess, freePort, newFolder } from '../boot/latchkey-process.js';
import { eventually } from '../support/processes.js';
import { TEST_SECRET } from '../support/test-app.js';
import { PASSWORD, newEmail } from '../support/test-client.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';
import { Ledger, credentialOf } from './support/ledger.js';
import { wire } from './support/wire.js';

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
  await eventually(isReady, 60_000);
  return latchkey;
}

function start(): LatchkeyProcess {
  return new LatchkeyProcess(folder.path, {
    NODE_ENV: 'test',
    AUTH_MODE: 'session,jwt',
    APP_SECRET: TEST_SECRET,
    DATABASE_URL: database.url,
    PORT: String(port),
    PUBLIC_ORIGIN: 'http://localhost:3000',
    LOG_LEVEL: 'warn',
    THROTTLE: 'off',
  });
}

const isReady = () =>
  wire(url, 'GET', '/health/ready').then(
    ({ status }) => status === 200,
    () => false,
  );

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
  // A session that was begun and never handed out is nobody's; there are no more of them than requests that were cut off.
  const { rows } = await sql.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM sessions s WHERE NOT EXISTS (SELECT FROM credentials c WHERE c.session_id = s.id)`,
  );
  expect(rows[0]?.n).toBeLessThanOrEqual(LANES);
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
    await eventually(async () => !(await isReady()), 5_000);
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
