import { Database } from '../../src/database/database.js';
import { SessionActivity } from '../../src/sessions/session-activity.js';
import { eventually } from '../support/processes.js';
import { TestApp } from '../support/test-app.js';
import { PASSWORD, newEmail } from '../support/test-client.js';
import { cheapenPasswords } from './support/cheap-passwords.js';
import { credentialOf } from './support/ledger.js';
import {
  type MintedSession,
  type MintedUser,
  mintSession,
  mintSessions,
  mintTokens,
  mintUser,
  mintUsers,
} from './support/minted.js';
import { wire } from './support/wire.js';

const ORIGIN = 'http://localhost:3000';
/** Rounds of the logout race. The other races run a fiftieth of them. */
const ROUNDS = Number(process.env.LATCHKEY_ROUNDS ?? 10_000);
const NEXT_PASSWORD = 'another unlikely phrase 2';

/** Lets other work of this process go first, a few turns or none: answers overtake each other then, as on a network. */
async function aMoment(): Promise<void> {
  for (let turns = Math.floor(Math.random() * 4); turns > 0; turns--) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Two nodes of one database, with statements of uneven speed, and passwords that cost next to nothing. */
async function twoNodes(mode: string): Promise<[TestApp, TestApp]> {
  // Thousands of lines that nobody reads cost more than what is tested here.
  const env = { LOG_LEVEL: 'warn' };
  const first = await TestApp.start({ mode, env });
  const second = await TestApp.start({ mode, env, database: first.database });
  for (const app of [first, second]) {
    const database = app.get(Database);
    const query = database.query.bind(database);
    database.query = async <T>(sql: string, parameters?: readonly unknown[]) => {
      await aMoment();
      const rows = await query<T>(sql, parameters);
      await aMoment();
      return rows;
    };
    cheapenPasswords(app, aMoment);
  }
  return [first, second];
}

describe.each([
  ['session', ROUNDS / 50],
  ['jwt', ROUNDS / 50],
  ['session,jwt', ROUNDS / 50],
])('AUTH_MODE=%s, two nodes, %d rounds', (mode, ROUNDS_HERE) => {
  let nodes: [TestApp, TestApp];
  beforeAll(async () => {
    nodes = await twoNodes(mode);
  });
  afterAll(async () => {
    for (const { url } of nodes) expect((await wire(url, 'GET', '/health/live')).status).toBe(200);
    const faults = nodes.flatMap(({ log }) => log.filter((line) => line.includes('internal_error')));
    expect(faults).toEqual([]);
    await nodes[1].close();
    await nodes[0].close();
  });

  /** A session and how its client shows it: a cookie, or an access token beside a refresh token. */
  interface Holder {
    readonly session: MintedSession;
    readonly headers: Record<string, string>;
    readonly refreshToken?: string;
  }
  async function holder(user?: MintedUser): Promise<Holder> {
    const session = await mintSession(nodes[0], user);
    if (mode !== 'jwt') return { session, headers: { cookie: session.cookie, origin: ORIGIN } };
    const { accessToken, refreshToken } = await mintTokens(nodes[0], session.id);
    return { session, headers: { authorization: `Bearer ${accessToken}` }, refreshToken };
  }
  const me = (node: TestApp, { headers }: Holder) => wire(node.url, 'GET', '/auth/me', { headers });
  const logout = (node: TestApp, { headers }: Holder) => wire(node.url, 'POST', '/auth/logout', { headers });
  const login = (node: TestApp, { email }: MintedUser, password = PASSWORD) =>
    wire(node.url, 'POST', '/auth/login', { body: { email, password } });

  /** Dead at once on one node; on the others within a second, for which a busy machine gets some more. */
  async function isDead(headers: Record<string, string>, at: TestApp): Promise<void> {
    expect((await wire(at.url, 'GET', '/auth/me', { headers })).status).toBe(401);
    for (const { url } of nodes) {
      await eventually(async () => (await wire(url, 'GET', '/auth/me', { headers })).status === 401, 5_000);
    }
  }

  async function liveSessions({ id }: { id: string }): Promise<string[]> {
    const rows = await nodes[0].rows<{ id: string }>(
      'SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL',
      [id],
    );
    return rows.map((row) => row.id);
  }

  async function rounds(
    count: number,
    round: (node: TestApp, other: TestApp, i: number) => Promise<void>,
  ): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let i = next++; i < count; i = next++) {
        const [first, second] = nodes;
        await (i % 2 === 0 ? round(first, second, i) : round(second, first, i));
      }
    };
    // Many at a time, since most of a round is waiting for the other node to hear of it.
    await Promise.all(Array.from({ length: 16 }, worker));
  }

  test(`FT22 what one node signs in, the other serves at once`, async () => {
    await rounds(ROUNDS_HERE, async (node, other) => {
      const answer = await login(node, await mintUserCheaply());
      expect(answer.status).toBe(200);
      const headers = credentialOf(answer);
      const at = await wire(other.url, 'GET', '/auth/me', { headers });
      expect([at.status, at.body.id]).toEqual([200, answer.body.user.id]);
      expect((await wire(node.url, 'GET', '/auth/me', { headers })).status).toBe(200);
    });
  }, 120_000);

  test(`RC01 signups at once with one email: one 201, all others 409, one row`, async () => {
    // Twenty at once in one mode; four in the others.
    const racers = mode === 'session' ? 20 : 4;
    for (let i = 0; i < ROUNDS_HERE; i++) {
      const body = { email: newEmail(), password: PASSWORD };
      const answers = await Promise.all(
        Array.from({ length: racers }, (_, n) => wire(nodes[n % 2]!.url, 'POST', '/auth/signup', { body })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([
        201,
        ...Array<number>(racers - 1).fill(409),
      ]);
      expect(answers.filter(({ status, setCookies }) => status === 409 && setCookies.length > 0)).toEqual([]);
      const rows = await nodes[0].rows<{ id: string; live: number }>(
        `SELECT id, (SELECT count(*)::int FROM sessions WHERE user_id = u.id) AS live FROM users u WHERE email = $1`,
        [body.email],
      );
      expect(rows).toEqual([{ id: answers.find(({ status }) => status === 201)?.body.user.id, live: 1 }]);
    }
  }, 120_000);

  test(`RC03 twenty logins at once of one user are 20 sessions, of which the limit of 10 live on`, async () => {
    for (let i = 0; i < ROUNDS_HERE / 10; i++) {
      const user = await mintUserCheaply();
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => login(nodes[n % 2]!, user)));
      expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
      expect(new Set(answers.map(({ body }) => body.session.id)).size).toBe(20);
      const live = await liveSessions(user);
      expect(live).toHaveLength(10);
      for (const answer of answers) {
        const works = live.includes(answer.body.session.id);
        const headers = credentialOf(answer);
        await eventually(
          async () =>
            (await wire(nodes[i % 2]!.url, 'GET', '/auth/me', { headers })).status === (works ? 200 : 401),
          5_000,
        );
      }
    }
  }, 120_000);

  test(`RC04 of two logouts at once one is 204 and one is 401`, async () => {
    await rounds(ROUNDS_HERE, async (node, other, i) => {
      const one = await holder();
      const answers = await Promise.all([logout(node, one), logout(i % 3 === 0 ? node : other, one)]);
      expect(answers.map(({ status }) => status).sort()).toEqual([204, 401]);
      await isDead(one.headers, node);
    });
  }, 120_000);

  test(`RC06 logout against activity that is being written: dead`, async () => {
    await rounds(ROUNDS_HERE, async (node, other) => {
      const { id } = await mintUserCheaply();
      const [session] = await mintSessions(node, [id], { idleForSeconds: 300 });
      if (!session) throw new Error('no session');
      const headers: Record<string, string> =
        mode === 'jwt'
          ? { authorization: `Bearer ${(await mintTokens(node, session.id)).accessToken}` }
          : { cookie: session.cookie, origin: ORIGIN };
      const one = { session, headers };
      const [, , done] = await Promise.all([
        me(node, one),
        me(other, one).then(() => other.get(SessionActivity).flush()),
        logout(node, one),
        node.get(SessionActivity).flush(),
      ]);
      expect(done.status).toBe(204);
      await Promise.all(nodes.map((each) => each.get(SessionActivity).flush()));
      expect(await liveSessions({ id })).toEqual([]);
      await isDead(headers, node);
    });
  }, 120_000);

  if (mode !== 'session') {
    test(`RC06 logout against refresh: nothing is alive after both`, async () => {
      await rounds(ROUNDS_HERE, async (node, other) => {
        const session = await mintSession(node);
        const { accessToken, refreshToken } = await mintTokens(node, session.id);
        const headers = { authorization: `Bearer ${accessToken}` };
        const refresh = (token: string, at: TestApp) =>
          wire(at.url, 'POST', '/auth/refresh', { body: { refreshToken: token } });
        const [refreshed, done] = await Promise.all([
          refresh(refreshToken, other),
          wire(node.url, 'POST', '/auth/logout', { headers }),
        ]);
        expect(done.status).toBe(204);
        expect([200, 401]).toContain(refreshed.status);
        for (const token of [refreshToken, refreshed.body.refreshToken ?? refreshToken]) {
          for (const each of nodes) expect((await refresh(token, each)).status).toBe(401);
        }
        await isDead(headers, node);
        if (refreshed.status === 200)
          await isDead({ authorization: `Bearer ${refreshed.body.accessToken}` }, node);
      });
    }, 120_000);
  }

  /** A password change against two logins with the old password: the new password holds, and no session of the old one lives on. */
  async function changeAgainstLogins(node: TestApp, other: TestApp, storedBefore?: string) {
    const user = await mintUserCheaply(storedBefore);
    const one = await holder(user);
    const [changed, ...logins] = await Promise.all([
      wire(node.url, 'POST', '/auth/password', {
        headers: one.headers,
        body: { currentPassword: PASSWORD, newPassword: NEXT_PASSWORD },
      }),
      login(other, user),
      login(node, user),
    ]);
    expect(changed.status).toBe(204);
    for (const { status } of logins) expect([200, 401]).toContain(status);
    const [row] = await node.rows('SELECT password_hash FROM users WHERE id = $1', [user.id]);
    expect(row).toEqual({ password_hash: `cheap ${NEXT_PASSWORD}` });
    expect(await liveSessions(user)).toEqual([one.session.id]);
    expect((await login(other, user)).status).toBe(401);
    return { user, logins };
  }

  test(`RC07 password change against a login with the old password: no session of the old one lives on`, async () => {
    await rounds(ROUNDS_HERE, async (node, other, i) => {
      const { user, logins } = await changeAgainstLogins(node, other);
      for (const answer of logins) if (answer.status === 200) await isDead(credentialOf(answer), node);
      if (i % 10 === 0) expect((await login(other, user, NEXT_PASSWORD)).status).toBe(200);
    });
  }, 120_000);

  test(`RC13 a login that rehashes against a password change: the new password survives`, async () => {
    await rounds(ROUNDS_HERE, async (node, other) => {
      await changeAgainstLogins(node, other, `weak ${PASSWORD}`);
    });
  }, 120_000);

  test(`RC09 disabling a user against a login: nobody is in afterwards`, async () => {
    await rounds(ROUNDS_HERE, async (node, other) => {
      const user = await mintUserCheaply();
      const one = await holder(user);
      const [, ...logins] = await Promise.all([
        node.rows('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]),
        login(node, user),
        login(other, user),
        me(node, one),
      ]);
      for (const answer of logins) expect([200, 401]).toContain(answer.status);
      for (const answer of logins.slice(0, 2)) {
        if (answer.status !== 200) continue;
        for (const each of nodes) {
          await eventually(
            async () =>
              (await wire(each.url, 'GET', '/auth/me', { headers: credentialOf(answer) })).status === 401,
            5_000,
          );
        }
      }
      await eventually(async () => (await me(other, one)).status === 401, 5_000);
      expect((await login(node, user)).body.code).toBe('login_failed');
    });
  }, 120_000);

  test(`RC10 deleting a user against PATCH and login: 401, no orphans, no 500`, async () => {
    await rounds(ROUNDS_HERE, async (node, other) => {
      const user = await mintUserCheaply();
      const one = await holder(user);
      const [, ...answers] = await Promise.all([
        aMoment().then(() => node.rows('DELETE FROM users WHERE id = $1', [user.id])),
        wire(node.url, 'PATCH', '/auth/me', { headers: one.headers, body: { name: 'Ann' } }),
        login(other, user),
        login(node, user),
        wire(other.url, 'DELETE', '/auth/sessions', { headers: one.headers }),
      ]);
      for (const { status } of answers) expect([200, 204, 401]).toContain(status);
      expect(await node.rows('SELECT 1 FROM sessions WHERE user_id = $1', [user.id])).toEqual([]);
      expect(await node.rows('SELECT 1 FROM credentials WHERE session_id = $1', [one.session.id])).toEqual(
        [],
      );
      for (const each of nodes) await eventually(async () => (await me(each, one)).status === 401, 5_000);
      expect((await login(node, user)).body.code).toBe('login_failed');
    });
  }, 120_000);

  test(`RC15 of two password changes at once one holds, and neither loses a change of the name`, async () => {
    await rounds(ROUNDS_HERE, async (node, other) => {
      const user = await mintUserCheaply();
      const one = await holder(user);
      const change = (at: TestApp, newPassword: string) =>
        wire(at.url, 'POST', '/auth/password', {
          headers: one.headers,
          body: { currentPassword: PASSWORD, newPassword },
        });
      const [first, second, renamed] = await Promise.all([
        change(node, NEXT_PASSWORD),
        change(other, `${NEXT_PASSWORD} b`),
        wire(other.url, 'PATCH', '/auth/me', { headers: one.headers, body: { name: 'Ann' } }),
      ]);
      const [winner, loser, password] =
        first.status === 204 ? [first, second, NEXT_PASSWORD] : [second, first, `${NEXT_PASSWORD} b`];
      expect(winner.status).toBe(204);
      expect([401, 403]).toContain(loser.status);
      expect(loser.setCookies).toEqual([]);
      const headers =
        mode === 'jwt'
          ? one.headers
          : { cookie: winner.setCookies.map((line) => line.split(';')[0]).join('; ') };
      const after = await wire(node.url, 'GET', '/auth/me', { headers });
      expect(after.status).toBe(200);
      if (renamed.status === 200) {
        const [row] = await node.rows<{ name: string }>('SELECT name FROM users WHERE id = $1', [user.id]);
        expect(row?.name).toBe('Ann');
      }
      expect((await login(node, user, password)).status).toBe(200);
      expect((await login(other, user)).status).toBe(401);
    });
  }, 120_000);

  test('RC05 a request that is held up in the middle does not bring back a session that was logged out meanwhile', async () => {
    for (const [method, path, body] of [
      ['PATCH', '/auth/me', { name: 'Ann' }],
      ['POST', '/auth/password', { currentPassword: PASSWORD, newPassword: NEXT_PASSWORD }],
      ['DELETE', '/auth/sessions', undefined],
    ] as const) {
      const [node, other] = nodes;
      const user = await mintUserCheaply();
      const one = await holder(user);
      await holder(user);
      const lock = await node.sql.connect();
      await lock.query('BEGIN');
      await lock.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [user.id]);
      await lock.query('SELECT 1 FROM sessions WHERE user_id = $1 AND id <> $2 FOR UPDATE', [
        user.id,
        one.session.id,
      ]);
      const slow = wire(node.url, method, path, { headers: one.headers, body });
      await isWaitingForLock();
      expect((await logout(other, one)).status).toBe(204);
      await lock.query('COMMIT');
      lock.release();
      const answer = await slow;
      expect([200, 204, 401]).toContain(answer.status);
      await isDead(one.headers, other);
      // A change of the password holds altogether or not at all.
      const changed = path === '/auth/password' && answer.status === 204;
      expect((await login(node, user, changed ? NEXT_PASSWORD : PASSWORD)).status).toBe(200);
      if (answer.setCookies.length > 0) await isDead(credentialOf(answer), other);
      const [row] = await node.rows<{ ended_reason: string }>(
        'SELECT ended_reason FROM sessions WHERE id = $1',
        [one.session.id],
      );
      expect(row?.ended_reason).toBe('logout');
    }
  }, 60_000);

  test.each([
    ['deleted', 'DELETE FROM users WHERE id = $1'],
    ['disabled', 'UPDATE users SET disabled_at = now() WHERE id = $1'],
  ])(
    'RC10 the user is being %s just when a login writes its credential: that one is answered, and dead',
    async (_, change) => {
      const [node, other] = nodes;
      const user = await mintUserCheaply();
      const holding = await node.sql.connect();
      await holding.query('BEGIN');
      await holding.query('LOCK TABLE credentials IN SHARE MODE');
      const signingIn = login(node, user);
      await isWaitingForLock();
      const changing = other.rows(change, [user.id]);
      await isWaitingForLock(2);
      await holding.query('COMMIT');
      holding.release();
      const answer = await signingIn;
      expect(answer.status).toBe(200);
      await changing;
      for (const each of nodes) await isDead(credentialOf(answer), each);
      expect((await login(node, user)).status).toBe(401);
    },
  );

  /** Resolves when one statement waits for a lock, or as many as are named. */
  async function isWaitingForLock(statements = 1): Promise<void> {
    await eventually(async () => {
      const [waiting] = await nodes[1].rows<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return waiting?.n === statements;
    });
  }

  /** @param stored what the hash in the table is instead */
  async function mintUserCheaply(stored?: string): Promise<MintedUser> {
    const user = await mintUser(nodes[0]);
    if (stored !== undefined)
      await nodes[0].rows('UPDATE users SET password_hash = $2 WHERE id = $1', [user.id, stored]);
    return user;
  }
});

test(`trap 13: ${ROUNDS} rounds of a request against the logout of its session, on two nodes: none brings it back`, async () => {
  const nodes = await twoNodes('session');
  const BATCH = 500;
  const start = performance.now();
  let alive = 0;
  let late = 0;
  let overtaken = 0;
  for (let done = 0; done < ROUNDS; done += BATCH) {
    const users = await mintUsers(nodes[0], Math.min(BATCH, ROUNDS - done));
    const sessions = await mintSessions(
      nodes[0],
      users.map(({ id }) => id),
      { idleForSeconds: 120 },
    );
    const round = async ({ cookie }: MintedSession, i: number): Promise<void> => {
      const [node, other] = i % 2 === 0 ? nodes : [nodes[1], nodes[0]];
      const headers = { cookie, origin: ORIGIN };
      const slowAt = i % 4 < 2 ? node : other;
      const slow = () =>
        i % 3 === 0
          ? wire(slowAt.url, 'PATCH', '/auth/me', { headers, body: { name: 'Ann' } })
          : wire(slowAt.url, 'GET', '/session', { headers });
      const [answer, out] = await Promise.all([
        aMoment().then(slow),
        aMoment().then(() => wire(node.url, 'POST', '/auth/logout', { headers })),
      ]);
      if (out.status !== 204) throw new Error(`logout answered ${out.status}`);
      if (answer.status === 401) overtaken += 1;
      else if (answer.status !== 200) throw new Error(`the request answered ${answer.status}`);
      if (answer.setCookies.length > 0) throw new Error('the request set a cookie');
      if (i % 5 !== 0) return;
      const after = await wire(node.url, 'GET', '/auth/me', { headers });
      if (after.status !== 401) alive += 1;
    };
    const LANES = 16;
    await Promise.all(
      Array.from({ length: LANES }, async (_, lane) => {
        for (let i = lane; i < sessions.length; i += LANES) await round(sessions[i]!, i);
      }),
    );
    await Promise.all(nodes.map((node) => node.get(SessionActivity).flush()));
    // The other node: within a second, so a look at some of this batch, after it.
    for (const session of sessions.slice(0, 20)) {
      for (const { url } of nodes) {
        const ask = async () =>
          (await wire(url, 'GET', '/auth/me', { headers: { cookie: session.cookie } })).status;
        await eventually(async () => (await ask()) === 401, 5_000).catch(() => (late += 1));
      }
    }
  }
  const [{ n } = { n: -1 }] = await nodes[0].rows<{ n: number }>(
    'SELECT count(*)::int AS n FROM sessions WHERE ended_at IS NULL',
  );
  console.log(
    `logout race: ${ROUNDS} rounds in ${((performance.now() - start) / 1000).toFixed(1)} s, ${overtaken} requests were overtaken by their logout, ${n + alive + late} sessions came back`,
  );
  expect({ notEnded: n, alive, late }).toEqual({ notEnded: 0, alive: 0, late: 0 });
  await nodes[1].close();
  await nodes[0].close();
}, 300_000);
