import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import pg from 'pg';
import { PasswordHasher } from '../../src/passwords/password-hasher.js';
import { LatchkeyProcess, newFolder } from '../boot/latchkey-process.js';
import { freePort } from '../support/free-port.mjs';
import { eventually } from '../support/processes.js';
import { TEST_SECRET, TestApp } from '../support/test-app.js';
import { PASSWORD } from '../support/test-client.js';
import { mintSessions, mintUser, mintUsers } from './support/minted.js';
import { type WireAnswer, cookiesOf, isReady, wire } from './support/wire.js';

const ORIGIN = 'http://localhost:3000';
/** Nobody who waits for a hash is refused before this much of a shutdown. */
const LAST_CALL_MS = 3_900;

let app: TestApp;
beforeAll(async () => {
  app = await TestApp.start({ mode: 'session' });
});
afterAll(() => app.close());

const login = (url: string, email: string) =>
  wire(url, 'POST', '/auth/login', { body: { email, password: PASSWORD } });

/** A login of which only the head has been sent; `status` is that of the answer once the rest is. */
function halfSent(url: string): { readonly outgoing: ClientRequest; readonly status: Promise<number> } {
  const outgoing = request(`${url}/auth/login`, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json', 'content-length': '2' },
  });
  const status = new Promise<number>((resolve, reject) => {
    outgoing.on('error', reject);
    outgoing.on('response', (answer: IncomingMessage) => resolve(answer.resume().statusCode ?? 0));
  });
  outgoing.flushHeaders();
  return { outgoing, status };
}

function expectOverloaded({ status, body, headers, setCookies }: WireAnswer): void {
  expect([status, body.code, headers['connection'], setCookies]).toEqual([503, 'overloaded', 'close', []]);
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);
}

test('FT19 SIGTERM with 100 requests in flight, hashes too: all are answered, readiness says 503, exit code 0 within 10 s', async () => {
  const folder = newFolder();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const settings = {
    NODE_ENV: 'test',
    AUTH_MODE: 'session',
    APP_SECRET: TEST_SECRET,
    DATABASE_URL: app.database.url,
    PORT: String(port),
    PUBLIC_ORIGIN: ORIGIN,
    THROTTLE: 'off',
    // As in production.
    PASSWORD_HASH_NICE: '19',
  };
  const latchkey = new LatchkeyProcess(folder.path, settings, [], { ownSession: true });
  try {
    await latchkey.says(/Latchkey is up/);
    const users = await mintUsers(app, 8);
    const { id } = await mintUser(app);
    const patchers = await mintSessions(app, Array(4).fill(id));
    const lock = new pg.Client({ connectionString: app.database.url });
    await lock.connect();
    await lock.query('BEGIN');
    await lock.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [id]);
    const halves = Array.from({ length: 88 }, () => halfSent(url));
    const logins = users.map(async ({ email }) => ({
      answer: await login(url, email),
      at: performance.now(),
    }));
    const patches = patchers.map(({ cookie }) =>
      wire(url, 'PATCH', '/auth/me', { headers: { cookie, origin: ORIGIN }, body: { name: 'Ann' } }),
    );
    const answered = Promise.allSettled([
      ...patches.map(async (answer) => (await answer).status),
      ...halves.map(({ status }) => status),
    ]);
    // All of them have arrived by now: the last ones sent hold a place of the pool each, the logins wait for their hash.
    await eventually(async () => {
      const [row] = await app.rows<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return row?.n === patches.length;
    });
    const start = performance.now();
    latchkey.signal('SIGTERM');
    await eventually(async () => !(await isReady(url)), 2_000);
    await lock.end();
    expect(await isReady(url)).toBe(false);
    for (const { outgoing } of halves) outgoing.end('{}');
    const settled = await answered;
    const signedIn = await Promise.all(logins);
    const code = await latchkey.exited;
    const took = performance.now() - start;
    console.log(`FT19: exit ${code} after ${Math.round(took)} ms`);
    const outcomes = settled.map((each) => (each.status === 'fulfilled' ? each.value : String(each.reason)));
    expect(outcomes).toEqual([...patches.map(() => 200), ...halves.map(() => 400)]);
    expect(code).toBe(0);
    expect(took).toBeLessThan(10_000);
    for (const { answer, at } of signedIn) {
      // Hashes give way: where others want all cores there may be no time for one, as below.
      if (at - start > LAST_CALL_MS && answer.status === 503) {
        expectOverloaded(answer);
        continue;
      }
      expect(answer.status).toBe(200);
      const headers = { cookie: cookiesOf(answer) };
      expect((await wire(app.url, 'GET', '/auth/me', { headers })).status).toBe(200);
    }
  } finally {
    await latchkey.stop('SIGKILL');
    folder.remove();
  }
}, 60_000);

test('who would wait for a hash beyond the end of its node is told so; nobody is cut off', async () => {
  const node = await TestApp.start({
    mode: 'session',
    database: app.database,
    env: { PASSWORD_HASH_CONCURRENCY: '1', PASSWORD_HASH_QUEUE: '5000' },
  });
  const users = await mintUsers(app, 5);
  const hasher = node.get(PasswordHasher);
  // Far more than a node that ends has time for.
  const before = 4_000;
  let done = 0;
  const hashes = Array.from({ length: before }, () => hasher.verify(null, PASSWORD).then(() => (done += 1)));
  const ended = Promise.allSettled(hashes);
  const logins = users.map(({ email }) => login(node.url, email));
  await eventually(() => hasher.running + hasher.waiting + done === before + users.length);
  const began = performance.now();
  await node.close();
  for (const answer of await Promise.all(logins)) expectOverloaded(answer);
  expect(performance.now() - began).toBeGreaterThan(LAST_CALL_MS);
  // Half of the time that is left before connections are cut is for the hashes that run.
  expect(performance.now() - began).toBeLessThan(6_500);
  expect(performance.now() - began).toBeLessThan(10_000);
  await ended;
  expect(done).toBeLessThan(before);
}, 60_000);
