import { AuditCounter } from '../../src/audit/audit-counter.js';
import { SessionActivity } from '../../src/sessions/session-activity.js';
import { MODES, TestApp } from '../support/test-app.js';
import { PASSWORD } from '../support/test-client.js';
import { mintSession, mintSessions, mintTokens, mintUser } from './support/minted.js';
import { OwnServer } from './support/own-server.js';
import { wire } from './support/wire.js';

// The server itself counts: a statement that went around our own classes would be counted too.
let server: OwnServer;
beforeAll(async () => {
  server = await OwnServer.start({
    shared_preload_libraries: 'pg_stat_statements',
    'pg_stat_statements.track': 'top',
    autovacuum: 'off',
  });
  await server.sql('CREATE EXTENSION pg_stat_statements');
}, 60_000);
afterAll(() => server.stop());

/** Calls so far, by statement. */
async function calls(app: TestApp): Promise<Map<string, number>> {
  const rows = await app.rows<{ query: string; calls: number }>(
    `SELECT query, sum(calls)::int AS calls FROM pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query NOT LIKE '%pg_stat_statements%'
     GROUP BY query`,
  );
  return new Map(rows.map(({ query, calls }) => [query, calls]));
}

/** What an application runs by itself, without any request: the feed, the key ring. Learnt by watching it for a while. */
async function background(app: TestApp): Promise<Set<string>> {
  const before = await calls(app);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const after = await calls(app);
  return new Set([...after].filter(([query, n]) => n > (before.get(query) ?? 0)).map(([query]) => query));
}

/** The statements that `work` causes, one entry for each call. */
async function statementsOf(
  app: TestApp,
  ignored: ReadonlySet<string>,
  work: () => Promise<void>,
): Promise<string[]> {
  const before = await calls(app);
  await work();
  const after = await calls(app);
  return [...after].flatMap(([query, n]) =>
    ignored.has(query) ? [] : Array<string>(n - (before.get(query) ?? 0)).fill(query.replace(/\s+/g, ' ')),
  );
}

describe.each(MODES)('AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  let ignored: Set<string>;
  beforeAll(async () => {
    app = await TestApp.start({ mode, database: server.database });
    // The first requests open the connections of the pool.
    const { cookie } = await mintSession(app);
    for (let i = 0; i < 20; i++) await wire(app.url, 'GET', '/auth/me', { headers: { cookie } });
    ignored = await background(app);
  });
  afterAll(() => app.close());

  test.each(mode.split(','))(
    'one statement for the first GET /auth/me with a fresh %s credential, and never a write',
    async (strategy) => {
      for (let i = 0; i < 5; i++) {
        const client = app.client();
        client.email = (await mintUser(app)).email;
        expect((await client.login({ strategy })).status).toBe(200);
        const statements = await statementsOf(app, ignored, async () => {
          expect((await client.me()).status).toBe(200);
        });
        expect(statements).toEqual([
          expect.stringMatching(/^SELECT .* JOIN credentials c .* JOIN sessions s .* JOIN users u /),
        ]);
      }
    },
  );

  test('within the touch minute no request writes anything, and the flush after it has nothing to do', async () => {
    const [fresh] = await mintSessions(app, [(await mintUser(app)).id], { idleForSeconds: 30 });
    if (!fresh) throw new Error('no session');
    const headers =
      mode === 'jwt'
        ? { authorization: `Bearer ${(await mintTokens(app, fresh.id)).accessToken}` }
        : { cookie: fresh.cookie };
    const statements = await statementsOf(app, ignored, async () => {
      for (const path of ['/auth/me', '/session', '/auth/sessions', '/auth/me', '/auth/me']) {
        expect((await wire(app.url, 'GET', path, { headers })).status).toBe(200);
      }
      await app.get(SessionActivity).flush();
    });
    expect(statements.length).toBeLessThanOrEqual(6);
    for (const statement of statements) expect(statement).toMatch(/^SELECT /);
  });

  test('SF08 anonymous and public requests cost no statement and leave no row, a thousand times', async () => {
    const rows = () =>
      app.rows(
        'SELECT (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM credentials) AS credentials, (SELECT count(*) FROM users) AS users',
      );
    const before = await rows();
    const ended = await mintSession(app);
    await app.rows('DELETE FROM sessions WHERE id = $1', [ended.id]);
    await app.rows('DELETE FROM users WHERE id = $1', [ended.userId]);
    const { cookie } = await mintSession(app);
    const withMore = await rows();
    const REQUESTS: [string, string, number, Record<string, string>][] = [
      ['GET', '/auth/me', 401, {}],
      ['GET', '/session', 401, {}],
      ['PATCH', '/auth/me', 401, {}],
      ['POST', '/auth/logout', 401, {}],
      ['DELETE', '/auth/sessions', 401, {}],
      ['GET', '/auth/me', 401, { cookie: 'theme=dark' }],
      ['GET', '/auth/me', 401, { cookie: 'sid=s%3Aforged.forged; rt=lkr_forged' }],
      ['GET', '/auth/me', 401, { authorization: 'Bearer a.b.c' }],
      ['GET', '/auth/config', 200, {}],
      ['GET', '/auth/config', 200, { cookie, authorization: 'Bearer a.b.c' }],
      ['GET', '/auth/csrf', 200, {}],
      ['GET', '/auth/csrf', 200, { cookie: 'sid=s%3Aforged.forged' }],
      ['GET', '/.well-known/jwks.json', 200, { cookie }],
      ['GET', '/health/live', 200, { cookie }],
      ['OPTIONS', '/auth/me', 204, { cookie }],
      ['GET', '/nowhere', 404, { cookie }],
      ['PUT', '/auth/me', 405, { cookie }],
      ['POST', '/auth/login', 400, { cookie }],
      ['POST', '/auth/login', 403, { cookie, origin: 'https://evil.example' }],
    ];
    const statements = await statementsOf(app, ignored, async () => {
      for (let i = 0; i < 1000; i++) {
        const [method, path, status, headers] = REQUESTS[i % REQUESTS.length]!;
        const answer = await wire(app.url, method, path, { headers });
        expect([method, path, answer.status]).toEqual([method, path, status]);
        expect(answer.setCookies).toEqual([]);
      }
    });
    // The refused page of another site is in the audit: once a minute, and what came since then is added every two seconds.
    expect(statements.filter((sql) => !sql.startsWith('INSERT INTO audit_events'))).toEqual([]);
    expect(await rows()).toEqual(withMore);
    expect(withMore).not.toEqual(before);
  });

  test('a credential of a strategy that is not enabled costs no statement', async () => {
    const session = await mintSession(app);
    const { accessToken, refreshToken } = await mintTokens(app, session.id);
    // What earlier tests left to be counted is written every two seconds: not while these are measured.
    await app.get(AuditCounter).flush();
    const disabled: Record<string, string>[] = [];
    if (!mode.includes('session')) disabled.push({ cookie: session.cookie });
    if (!mode.includes('jwt'))
      disabled.push({ authorization: `Bearer ${accessToken}` }, { cookie: `rt=${refreshToken}` });
    for (const headers of disabled) {
      const statements = await statementsOf(app, ignored, async () => {
        for (const [method, path] of [
          ['GET', '/auth/me'],
          ['POST', '/auth/logout'],
          ['DELETE', '/session'],
        ] as const) {
          const answer = await wire(app.url, method, path, { headers });
          expect([answer.status, answer.body.code, answer.setCookies]).toEqual([
            401,
            'credential_missing',
            [],
          ]);
        }
      });
      expect(statements).toEqual([]);
    }
  });

  test('a login costs seven statements besides those of the limits, a logout at most eight, their record included', async () => {
    const client = app.client();
    client.email = (await mintUser(app)).email;
    await app.get(AuditCounter).flush();
    const login = await statementsOf(app, ignored, async () => {
      expect((await client.login()).status).toBe(200);
    });
    const logout = await statementsOf(app, ignored, async () => {
      expect((await client.logout()).status).toBe(204);
    });
    console.log(`AUTH_MODE=${mode}: login ${login.length} statements, logout ${logout.length}`);
    expect([login.length <= 7, login]).toEqual([true, login]);
    expect([logout.length <= 8, logout]).toEqual([true, logout]);
  });
});

test('a login costs nine statements with the limits, START and COMMIT with them: where they stand is not asked for before they are taken from, and an address is not written down that is known', async () => {
  const app = await TestApp.start({ mode: 'session', database: server.database, env: { THROTTLE: 'on' } });
  const ignored = await background(app);
  const client = app.client();
  client.email = (await mintUser(app)).email;
  // Opens the connections of the counters, and makes the address known.
  expect((await client.login()).status).toBe(200);
  await app.get(AuditCounter).flush();
  const login = await statementsOf(app, ignored, async () => {
    expect((await client.sibling().login()).status).toBe(200);
  });
  // The feed, in the background, starts and ends transactions too: those are not in the list.
  expect([login.length <= 7, login]).toEqual([true, login]);
  expect(login.filter((sql) => sql.startsWith('SELECT key, points'))).toEqual([]);
  await app.close();
});

describe('with 1,000,000 sessions in the table', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode: 'session', database: server.database });
    const client = await app.sql.connect();
    try {
      // Without the checks of each single row, which would take minutes; the indexes are there all the time.
      await client.query('SET session_replication_role = replica');
      await client.query(
        `INSERT INTO users (id, email, password_hash)
         SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'many' || n || '@example.com', 'x'
         FROM generate_series(1, 50000) AS n`,
      );
      await client.query(
        `INSERT INTO sessions (id, user_id, factors, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at, ended_at)
         SELECT gen_random_uuid(), ('00000000-0000-4000-8000-' || lpad(to_hex(1 + n % 50000), 12, '0'))::uuid, '{password}',
           at, at, at, at + interval '7 days', at + interval '30 days', CASE WHEN n % 2 = 0 THEN at + interval '1 hour' END
         FROM generate_series(1, 1000000) AS n, LATERAL (SELECT now() - make_interval(mins => n % 1440) AS at) AS started`,
      );
      await client.query(
        `INSERT INTO credentials (session_id, strategy, secret_hash, seed)
         SELECT id, 'session', sha256(uuid_send(id)), uuid_send(id) FROM sessions LIMIT 200000 ON CONFLICT DO NOTHING`,
      );
      await client.query('ANALYZE users, sessions, credentials');
    } finally {
      client.release();
    }
  }, 120_000);
  afterAll(() => app.close());

  test('"end all my sessions" takes under 5 ms in the database, and as little over HTTP as without them', async () => {
    const executions: number[] = [];
    for (let i = 0; i < 7; i++) {
      const user = await mintUser(app);
      const sessions = await mintSessions(app, Array(10).fill(user.id));
      const plan = await app.rows<{ 'QUERY PLAN': [{ 'Execution Time': number; Plan: object }] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) UPDATE sessions SET ended_at = now(), ended_reason = $1
         WHERE ended_at IS NULL AND user_id = $2 AND id <> ALL($3::uuid[]) RETURNING id, user_id`,
        ['ended_by_user', user.id, [sessions[0]?.id]],
      );
      const [{ 'Execution Time': milliseconds, Plan }] = plan[0]!['QUERY PLAN'];
      executions.push(milliseconds);
      expect(JSON.stringify(Plan)).toContain('sessions_live_by_user_idx');
      expect(JSON.stringify(Plan)).not.toContain('Seq Scan');
    }
    const requests: number[] = [];
    for (let i = 0; i < 7; i++) {
      const user = await mintUser(app);
      const [current, ...others] = await mintSessions(app, Array(10).fill(user.id));
      const headers = { cookie: current?.cookie, origin: 'http://localhost:3000' };
      expect((await wire(app.url, 'GET', '/auth/me', { headers })).status).toBe(200);
      const start = performance.now();
      expect((await wire(app.url, 'DELETE', '/auth/sessions', { headers })).status).toBe(204);
      requests.push(performance.now() - start);
      const ids = others.map(({ id }) => id);
      expect(await app.rows('SELECT 1 FROM sessions WHERE id = ANY($1) AND ended_at IS NULL', [ids])).toEqual(
        [],
      );
    }
    const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Infinity;
    console.log(
      `1,000,000 sessions: end nine others, median ${median(executions).toFixed(2)} ms in the database (of ${executions.map((ms) => ms.toFixed(2)).join(', ')}); ${median(requests).toFixed(1)} ms as a request`,
    );
    expect(median(executions)).toBeLessThan(5);
  });

  test('no statement of a request looks at more than its own rows', async () => {
    const user = await mintUser(app);
    const [session] = await mintSessions(app, [user.id]);
    const scans = () =>
      app.rows(
        `SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname IN ('users', 'sessions', 'credentials') ORDER BY 1`,
      );
    const settled = async () => {
      await app.rows('SELECT pg_stat_force_next_flush()').catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      return scans();
    };
    const before = await settled();
    const headers = { cookie: session?.cookie, origin: 'http://localhost:3000' };
    const login = await wire(app.url, 'POST', '/auth/login', {
      body: { email: user.email, password: PASSWORD },
    });
    expect(login.status).toBe(200);
    for (const [method, path] of [
      ['GET', '/auth/me'],
      ['GET', '/auth/sessions'],
      ['DELETE', '/auth/sessions'],
      ['POST', '/auth/logout'],
    ] as const) {
      expect((await wire(app.url, method, path, { headers })).status).toBeLessThan(300);
    }
    expect(await settled()).toEqual(before);
  });
});
