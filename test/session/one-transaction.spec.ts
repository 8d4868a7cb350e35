import { MODES, TestApp } from '../support/test-app.js';
import type { TestClient } from '../support/test-client.js';

/** What the database does when the first credential of a session is written: raises this SQLSTATE, as often as `times`. */
async function failing(app: TestApp, sqlState: string, times: number): Promise<void> {
  await app.rows(`CREATE SEQUENCE credential_failures MAXVALUE 1000000`);
  await app.rows(
    `CREATE FUNCTION fail_credential() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF nextval('credential_failures') <= ${times} THEN RAISE EXCEPTION 'by the test' USING ERRCODE = '${sqlState}'; END IF;
       RETURN NEW;
     END $$`,
  );
  await app.rows(
    'CREATE TRIGGER failing BEFORE INSERT ON credentials FOR EACH ROW EXECUTE FUNCTION fail_credential()',
  );
}

async function mended(app: TestApp): Promise<void> {
  await app.rows('DROP TRIGGER IF EXISTS failing ON credentials');
  await app.rows('DROP FUNCTION IF EXISTS fail_credential');
  await app.rows('DROP SEQUENCE IF EXISTS credential_failures');
}

const ALWAYS = 1_000_000;

describe.each(MODES)('AUTH_MODE=%s: a sign-in', (mode) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode });
  });
  afterEach(() => mended(app));
  afterAll(() => app.close());

  /** What is there of one email, and of all sign-ins. */
  const left = async (email: string) => {
    const [row] = await app.rows<{ users: number; sessions: number; started: number }>(
      `SELECT count(DISTINCT u.id)::int AS users, count(DISTINCT s.id)::int AS sessions,
         count(DISTINCT a.id) FILTER (WHERE a.type = 'session_started')::int AS started
       FROM users u LEFT JOIN sessions s ON s.user_id = u.id LEFT JOIN audit_events a ON a.user_id = u.id WHERE u.email = $1`,
      [email],
    );
    return row;
  };
  const signedUp = async (email: string): Promise<void> => {
    const owner = app.client();
    owner.email = email;
    expect((await owner.signup()).status).toBe(201);
  };
  const attempts: [string, (client: TestClient) => ReturnType<TestClient['login']>, boolean][] = [
    ...mode
      .split(',')
      .map((strategy): (typeof attempts)[number] => [
        `login by ${strategy}`,
        (client) => client.login({ strategy }),
        true,
      ]),
    ['signup', (client) => client.signup(), false],
  ];

  test.each(attempts)(
    'leaves nothing behind when its credential cannot be kept: %s',
    async (_, attempt, isUser) => {
      const client = app.client();
      if (isUser) await signedUp(client.email);
      const before = await left(client.email);
      // The disk is full.
      await failing(app, '53100', ALWAYS);
      const refused = await attempt(client);
      expect([refused.status, refused.body.code]).toEqual([503, 'unavailable']);
      expect(refused.setCookies).toEqual([]);
      expect(await left(client.email)).toEqual(before);
      await mended(app);
      expect((await attempt(client)).status).toBeLessThan(300);
      expect((await client.me()).status).toBe(200);
    },
  );

  test.each(attempts)(
    'that the database makes run again hands out one credential: %s',
    async (_, attempt, isUser) => {
      const client = app.client();
      if (isUser) await signedUp(client.email);
      const before = (await left(client.email)) ?? { sessions: 0, started: 0 };
      await failing(app, '40001', 2);
      const answer = await attempt(client);
      expect(answer.status).toBeLessThan(300);
      const names = answer.setCookies.map((cookie) => cookie.slice(0, cookie.indexOf('=')));
      expect(names).toEqual([...new Set(names)]);
      expect((await client.me()).status).toBe(200);
      expect(await left(client.email)).toEqual({
        users: 1,
        sessions: before.sessions + 1,
        started: before.started + 1,
      });
    },
  );
});
