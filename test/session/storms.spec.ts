import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { eventually } from '../support/processes.js';
import { MODES, TestApp } from '../support/test-app.js';
import { type Answer, PASSWORD, type TestClient } from '../support/test-client.js';
import { cheapenPasswords } from './support/cheap-passwords.js';

const NEXT_PASSWORD = 'another unlikely phrase 2';
/** Signups of the storm in the first mode; a fifth of that in the others. */
const STORM = Number(process.env.LATCHKEY_STORM ?? 1_000);
/** At a time, of those who sign up in a storm; more than may wait for a hash. */
const LANES = 20;
const HASH_QUEUE = 4;
const TABLES = ['users', 'sessions', 'credentials', 'audit_events'];

/** How the database refuses: at each statement that writes, or when a transaction commits. */
const MOMENTS = {
  'at the statement': (table: string) =>
    `CREATE TRIGGER hiccup BEFORE INSERT OR UPDATE OR DELETE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION hiccup()`,
  'at the commit': (table: string) =>
    `CREATE CONSTRAINT TRIGGER hiccup AFTER INSERT OR UPDATE OR DELETE ON ${table} DEFERRABLE INITIALLY DEFERRED
     FOR EACH ROW EXECUTE FUNCTION hiccup()`,
};

describe.each(MODES)('AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { PASSWORD_HASH_QUEUE: String(HASH_QUEUE) } });
    // A sequence counts on through a rollback: the first so many writes after a restart of it fail, and the next one works.
    await app.rows(`
      CREATE SEQUENCE hiccups;
      CREATE TABLE hiccup_plan (state text, times int);
      INSERT INTO hiccup_plan VALUES ('40001', 0);
      CREATE FUNCTION hiccup() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE plan hiccup_plan := (SELECT p FROM hiccup_plan p);
        BEGIN
          IF plan.times > 0 AND nextval('hiccups') <= plan.times THEN
            RAISE EXCEPTION 'injected' USING ERRCODE = plan.state;
          END IF;
          RETURN NEW;
        END $$`);
  });
  afterAll(async () => {
    expect(app.log.filter((line) => line.includes('internal_error'))).toEqual([]);
    await app.close();
  });

  /** From now on the first so many writes fail with that state. Tokens are old enough for a refresh to change something. */
  async function hiccup(state: string, times: number): Promise<void> {
    await app.rows('UPDATE hiccup_plan SET times = 0');
    await app.rows(`UPDATE credentials SET issued_at = now() - interval '1 hour'`);
    await app.rows('ALTER SEQUENCE hiccups RESTART');
    await app.rows('UPDATE hiccup_plan SET state = $1, times = $2', [state, times]);
  }
  /** Writes that have failed since {@link hiccup}, or would have. */
  async function asked(): Promise<number> {
    const [row] = await app.rows<{ n: number }>(
      'SELECT (last_value - (NOT is_called)::int)::int AS n FROM hiccups',
    );
    return row?.n ?? 0;
  }
  async function counts(client: TestClient): Promise<Record<string, number>> {
    const [row] = await app.rows<Record<string, number>>(
      `SELECT (SELECT count(*)::int FROM users WHERE email = $1) AS users,
              (SELECT count(*)::int FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1 AND ended_at IS NULL) AS live,
              (SELECT count(*)::int FROM audit_events a JOIN users u ON u.id = a.user_id WHERE u.email = $1 AND type = 'user_created') AS created`,
      [client.email],
    );
    return row ?? {};
  }

  /** What a client does, one after the other, that writes; and what it is answered when nothing is wrong. */
  const STEPS: [string, number, (client: TestClient) => Promise<Answer>][] = [
    ['signup', 201, (client) => client.signup()],
    ['login', 200, (client) => client.sibling().login()],
    ['change of the name', 200, (client) => client.send('PATCH', '/auth/me', { body: { name: 'Ann' } })],
    [
      'change of the password',
      204,
      (client) => client.post('/auth/password', { currentPassword: PASSWORD, newPassword: NEXT_PASSWORD }),
    ],
    ...(mode.startsWith('jwt')
      ? ([['refresh', 200, (client) => client.refresh()]] satisfies [
          string,
          number,
          (client: TestClient) => Promise<Answer>,
        ][])
      : []),
    ['login again', 200, (client) => client.sibling().login({ password: NEXT_PASSWORD })],
    ['ending of the others', 204, (client) => client.send('DELETE', '/auth/sessions')],
    ['logout', 204, (client) => client.logout()],
  ];

  describe.each(Object.entries(MOMENTS))('FT11 refused %s', (moment, trigger) => {
    beforeAll(async () => {
      for (const table of TABLES) await app.rows(trigger(table));
    });
    afterAll(async () => {
      for (const table of TABLES) await app.rows(`DROP TRIGGER hiccup ON ${table}`);
    });
    afterEach(() => hiccup('40001', 0));

    test.each(['40001', '40P01'])(
      'three times with %s: tried again, 2xx, and it has happened exactly once',
      async (state) => {
        const client = app.client();
        for (const [step, status, act] of STEPS) {
          await hiccup(state, 3);
          const answer = await act(client);
          expect([step, answer.status, answer.body?.code]).toEqual([step, status, undefined]);
          if ((await asked()) <= 3) throw new Error(`${step} was not refused three times`);
          if (step === 'signup') expect(await counts(client)).toEqual({ users: 1, live: 1, created: 1 });
          if (step === 'login') expect(await counts(client)).toEqual({ users: 1, live: 2, created: 1 });
        }
        expect(await counts(client)).toEqual({ users: 1, live: 0, created: 1 });
      },
    );

    test.each([moment === 'at the commit' ? '40001' : '40P01'])(
      'again and again with %s: 503 with Retry-After and no cookie, and nothing has happened',
      async (state) => {
        const client = app.client();
        await hiccup(state, 1_000_000);
        const signup = await client.signup();
        await hiccup(state, 0);
        expect((await client.signup()).status).toBe(201);
        expect((await client.sibling().login()).status).toBe(200);
        const refused = [signup];
        for (const [step, , act] of STEPS.slice(1).filter(([name]) => name !== 'login again')) {
          await hiccup(state, 1_000_000);
          const answer = await act(client.copy());
          await hiccup(state, 0);
          expect([step, answer.status]).toEqual([step, 503]);
          refused.push(answer);
        }
        for (const { status, body, headers, setCookies } of refused) {
          expect([status, body.code, headers.get('retry-after'), setCookies]).toEqual([
            503,
            'unavailable',
            '1',
            [],
          ]);
        }
        expect(await counts(client)).toEqual({ users: 1, live: 2, created: 1 });
        expect([(await client.me()).status, (await client.sibling().login()).status]).toEqual([200, 200]);
      },
    );
  });

  test('FT11 a real deadlock with somebody at psql: the change of the password is made all the same, once', async () => {
    const client = app.client();
    await client.signup();
    await client.sibling().login();
    const psql = new pg.Client({ connectionString: app.database.url });
    await psql.connect();
    try {
      await psql.query('BEGIN');
      await psql.query('SET LOCAL deadlock_timeout = 60000'); // the other one is to find out
      await psql.query(
        'SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE email = $1 AND s.id <> $2 FOR UPDATE OF s',
        [client.email, client.sessionId],
      );
      // Once the other one holds the user's row and waits for the session's; the server watches, which is quicker than we are.
      const crossing = psql.query(
        `DO $$ BEGIN
           WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))) LOOP
             PERFORM pg_sleep(0.01);
           END LOOP;
           PERFORM 1 FROM users WHERE email = '${client.email}' FOR UPDATE;
         END $$`,
      );
      const changing = client.post('/auth/password', {
        currentPassword: PASSWORD,
        newPassword: NEXT_PASSWORD,
      });
      await crossing;
      await psql.query('COMMIT');
      const { status } = await changing;
      expect(status).toBe(204);
      // The server counts them, and tells within its 10 s.
      await eventually(async () => {
        const [row] = await app.rows<{ n: number }>(
          'SELECT deadlocks::int AS n FROM pg_stat_database WHERE datname = current_database()',
        );
        return (row?.n ?? 0) > 0;
      }, 20_000);
      expect(await counts(client)).toEqual({ users: 1, live: 1, created: 1 });
      expect((await client.sibling().login({ password: NEXT_PASSWORD })).status).toBe(200);
      expect((await client.sibling().login()).status).toBe(401);
    } finally {
      await psql.end();
    }
  });

  /** Signs up so many, twenty at a time; whoever is told 503 waits for as long as it says, and tries again. */
  async function storm(count: number): Promise<{ clients: TestClient[]; refused: number }> {
    const clients: TestClient[] = [];
    let next = 0;
    let refused = 0;
    const lane = async (): Promise<void> => {
      while (next++ < count) {
        const client = app.client();
        let answer = await client.signup();
        for (; answer.status === 503; answer = await client.signup()) {
          refused += 1;
          expect([answer.body.code, answer.setCookies]).toEqual(['overloaded', []]);
          await delay(Number(answer.headers.get('retry-after')) * 1_000);
        }
        expect(answer.status).toBe(201);
        clients.push(client);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return { clients, refused };
  }

  /** Each of them is there, once, with its session, credential and audit, and is signed in. */
  async function expectAll(clients: readonly TestClient[]): Promise<void> {
    const [row] = await app.rows(
      `SELECT count(*)::int AS users, count(DISTINCT s.id)::int AS sessions, count(DISTINCT c.session_id)::int AS credentials,
              count(DISTINCT a.id)::int AS audited
       FROM users u LEFT JOIN sessions s ON s.user_id = u.id AND s.ended_at IS NULL
         LEFT JOIN credentials c ON c.session_id = s.id
         LEFT JOIN audit_events a ON a.user_id = u.id AND a.type = 'user_created'
       WHERE u.email = ANY($1)`,
      [clients.map(({ email }) => email)],
    );
    const n = clients.length;
    expect(row).toEqual({ users: n, sessions: n, credentials: n, audited: n });
    for (let i = 0; i < n; i += LANES) {
      const answers = await Promise.all(clients.slice(i, i + LANES).map((client) => client.me()));
      expect(answers.map(({ status, body }) => [status, body.email])).toEqual(
        clients.slice(i, i + LANES).map(({ email }) => [200, email]),
      );
    }
  }

  test('a storm of signups, more than may wait for a hash: some are told to come back, and none is lost', async () => {
    const { clients, refused } = await storm(60);
    console.log(`AUTH_MODE=${mode}: 60 signups at ${LANES} at a time, ${refused} times 503 overloaded`);
    expect(refused).toBeGreaterThan(0);
    await expectAll(clients);
    expect((await clients[7]?.sibling().login())?.status).toBe(200);
  }, 60_000);

  const count = mode === MODES[0] ? STORM : STORM / 5;
  test(`a storm of ${count} signups, with passwords that cost nothing: none is refused, none is lost`, async () => {
    cheapenPasswords(app);
    const start = performance.now();
    const { clients, refused } = await storm(count);
    console.log(
      `AUTH_MODE=${mode}: ${count} signups in ${((performance.now() - start) / 1_000).toFixed(1)} s`,
    );
    expect([clients.length, refused]).toEqual([count, 0]);
    await expectAll(clients);
    const logins = await Promise.all(clients.slice(0, LANES).map((client) => client.sibling().login()));
    expect(logins.map(({ status }) => status)).toEqual(logins.map(() => 200));
  }, 120_000);
});
