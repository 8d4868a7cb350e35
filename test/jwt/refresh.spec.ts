import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { makeRefreshToken } from '../../src/auth/strategies/refresh-token.js';
import type { AppSecret } from '../../src/config/app-config.js';
import type { SecurityEvent } from '../../src/events/security-events.js';
import type { SessionId } from '../../src/principal/principal.js';
import { request } from '../http/support/raw.js';
import { eventually } from '../support/processes.js';
import type { TestApp } from '../support/test-app.js';
import { type Answer, PASSWORD, type TestClient } from '../support/test-client.js';
import {
  JWT_MODES,
  age,
  ageAll,
  closeDatabase,
  devices,
  openDatabaseAgain,
  port,
  signedIn,
  startApp,
  statementsDuring,
} from './support/jwt-app.js';

// Hundreds of rounds, on a machine that may be busy.
jest.setTimeout(120_000);

interface Row {
  counter: number;
  seed: Buffer;
  secret_id: string;
}

describe.each(JWT_MODES)('AUTH_MODE=%s, two nodes on one database', (mode) => {
  let a: TestApp;
  let b: TestApp;
  beforeAll(async () => {
    a = await startApp({ mode });
    b = await startApp({ mode, database: a.database });
  });
  afterAll(async () => {
    await b.close();
    await a.close();
  });

  const present = (refreshToken: string | undefined, node = a): Promise<Answer> =>
    node.client().post('/auth/refresh', { refreshToken });
  const eventsOf = (client: TestClient, ...types: string[]): SecurityEvent[] =>
    [...a.events, ...b.events].filter(
      (event) => types.includes(event.type) && 'sessionId' in event && event.sessionId === client.sessionId,
    );
  const replays = (client: TestClient) =>
    eventsOf(client, 'refresh_replayed', 'refresh_reused', 'refresh_ahead');
  async function rowOf({ sessionId }: TestClient): Promise<Row> {
    const sql = `SELECT counter::int, seed, secret_id FROM credentials WHERE session_id = $1 AND strategy = 'jwt'`;
    const [row] = await a.rows<Row>(sql, [sessionId]);
    if (!row) throw new Error('there is no such credential');
    return row;
  }
  /** A client whose token has been rotated once: what it held before, and what it holds now. */
  async function rotated(): Promise<{ client: TestClient; before: string; now: string }> {
    const client = await signedIn(a);
    const before = client.refreshToken ?? '';
    await age(a, client);
    expect((await client.refresh()).status).toBe(200);
    return { client, before, now: client.refreshToken ?? '' };
  }
  async function refused(answer: Promise<Answer>, code: string): Promise<void> {
    const { status, body, setCookies } = await answer;
    expect([status, body.code, setCookies]).toEqual([401, code, []]);
  }

  test('RF01 a new access token for the same session, and the refresh token to go on with', async () => {
    const client = await signedIn(a);
    const { sessionId, accessToken, refreshToken } = client;
    await age(a, client);
    const answer = await client.refresh();
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      user: { email: client.email },
      strategy: 'jwt',
      session: { id: sessionId },
      tokenType: 'Bearer',
    });
    expect(answer.body.accessToken).not.toBe(accessToken);
    expect(answer.body.refreshToken).toMatch(/^lkr_[A-Za-z0-9_-]{72}$/);
    expect(answer.body.refreshToken).not.toBe(refreshToken);
    expect(answer.setCookies).toEqual([]);
    expect((await client.copy(b.url).me()).status).toBe(200);
    await age(a, client);
    expect((await client.copy(b.url).refresh()).body.session.id).toBe(sessionId);
  });

  test('a token younger than the grace is answered with itself and a new access token', async () => {
    const client = await signedIn(a);
    for (const node of [a, b, a]) {
      const answer = await present(client.refreshToken, node);
      expect([answer.status, answer.body.refreshToken]).toEqual([200, client.refreshToken]);
      expect(answer.body.accessToken).not.toBe(client.accessToken);
    }
    expect((await rowOf(client)).counter).toBe(0);
  });

  test('RF03 its direct predecessor, replayed within the grace, gets the identical successor on every node', async () => {
    const { client, before, now } = await rotated();
    for (const node of [a, b, a, b]) {
      const answer = await present(before, node);
      expect([answer.status, answer.body.refreshToken]).toEqual([200, now]);
    }
    expect(replays(client).length).toBe(0);
    expect((await rowOf(client)).counter).toBe(1);
  });

  test('a replay from another user agent is answered and told, with both fingerprints', async () => {
    const { client, before, now } = await rotated();
    const answer = await b.client({ userAgent: 'thief' }).post('/auth/refresh', { refreshToken: before });
    expect([answer.status, answer.body.refreshToken]).toEqual([200, now]);
    expect(replays(client)).toEqual([
      {
        type: 'refresh_replayed',
        userId: answer.body.user.id,
        sessionId: client.sessionId,
        address: '127.0.0.1',
        userAgent: 'thief',
        previous: { address: '127.0.0.1', userAgent: 'latchkey-tests' },
      },
    ]);
  });

  test('RF02 the predecessor after the grace: the whole session ends for thief and owner, told once with both fingerprints', async () => {
    const { client, before, now } = await rotated();
    await age(a, client);
    const thief = b.client({ userAgent: 'thief' });
    const stolen = await thief.post('/auth/refresh', { refreshToken: before });
    expect([stolen.status, stolen.body.code, stolen.setCookies]).toEqual([401, 'refresh_reused', []]);
    expect(stolen.headers.get('www-authenticate')).toContain('strategy="jwt"');
    expect((await client.copy(b.url).me()).status).toBe(401);
    await eventually(async () => (await client.me()).status === 401, 1000);
    await refused(present(before, a), 'credential_invalid');
    await refused(present(now, a), 'credential_invalid');
    expect(replays(client)).toEqual([
      {
        type: 'refresh_reused',
        userId: expect.any(String),
        sessionId: client.sessionId,
        address: '127.0.0.1',
        userAgent: 'thief',
        previous: { address: '127.0.0.1', userAgent: 'latchkey-tests' },
      },
    ]);
    const sql = 'SELECT ended_reason FROM sessions WHERE id = $1 AND ended_at IS NOT NULL';
    expect(await a.rows(sql, [client.sessionId])).toEqual([{ ended_reason: 'refresh_reused' }]);
  });

  test('any older token ends the session, even while its successor is young', async () => {
    const { client, before } = await rotated();
    await age(a, client);
    await client.refresh();
    await refused(present(before), 'refresh_reused');
    expect((await client.me()).status).toBe(401);
  });

  test('twenty replays of a stolen token at once are one theft', async () => {
    const { client, before } = await rotated();
    await age(a, client);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => present(before, i % 2 ? a : b)));
    for (const { status, body } of answers) {
      expect(status).toBe(401);
      expect(['refresh_reused', 'credential_invalid']).toContain(body.code);
    }
    expect(eventsOf(client, 'refresh_reused')).toHaveLength(1);
    expect(eventsOf(client, 'session_ended')).toHaveLength(1);
  });

  test('RF04 200 parallel refreshes with one token over two nodes: one successor, one lineage, nobody logged out', async () => {
    const client = await signedIn(a);
    await age(a, client);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => present(client.refreshToken, i % 2 ? a : b)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(200).fill(200));
    const successors = new Set(answers.map(({ body }) => body.refreshToken));
    expect(successors.size).toBe(1);
    const [successor] = successors;
    expect(successor).not.toBe(client.refreshToken);
    expect(replays(client).length).toBe(0);
    expect((await rowOf(client)).counter).toBe(1);
    for (const { body } of answers.slice(-10)) {
      const { status } = await b.client().get('/auth/me', {
        headers: { authorization: `Bearer ${body.accessToken}` },
      });
      expect(status).toBe(200);
    }
    await age(a, client);
    expect((await present(successor, b)).status).toBe(200);
  });

  test('twenty tabs that refresh again and again, with answers that overtake each other, stay on one lineage', async () => {
    const client = await signedIn(a);
    const nodes = [a, b];
    const tabs = Array.from({ length: 20 }, (_, i) => client.copy(nodes[i % 2]?.url));
    for (let round = 0; round < 5; round++) {
      // Within the grace every tab may still hold the predecessor, and none anything older.
      await age(a, client);
      const shared = { token: tabs[0]?.refreshToken };
      await Promise.all(
        tabs.map(async (tab) => {
          await delay(Math.random() * 30);
          tab.refreshToken = Math.random() < 0.5 ? shared.token : tab.refreshToken;
          expect((await tab.refresh()).status).toBe(200);
          shared.token = tab.refreshToken;
        }),
      );
      expect(new Set(tabs.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    }
    expect((await rowOf(client)).counter).toBe(5);
    expect(replays(client).length).toBe(0);
  });

  test('RF06, RF13 a client that dies before the answer and retries within the grace goes on', async () => {
    const client = await signedIn(a);
    await age(a, client);
    const body = JSON.stringify({ refreshToken: client.refreshToken });
    const socket = connect(port(a), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(request('POST /auth/refresh', ['Content-Type: application/json'], body));
    await eventually(async () => (await rowOf(client)).counter === 1);
    socket.destroy();
    const [first, second] = [await present(client.refreshToken, b), await present(client.refreshToken, a)];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(first.body.refreshToken).toBe(second.body.refreshToken);
    await age(a, client);
    expect((await present(first.body.refreshToken, a)).status).toBe(200);
  });

  test('ended by logout, by another device, by disabling, by deletion: credential_invalid', async () => {
    const endings: ((client: TestClient) => Promise<unknown>)[] = [
      (client) => client.copy().logout(),
      (client) => client.copy(b.url).send('DELETE', `/auth/sessions/${client.sessionId}`),
      ({ email }) => a.rows('UPDATE users SET disabled_at = now() WHERE email = $1', [email]),
      ({ email }) => a.rows('DELETE FROM users WHERE email = $1', [email]),
    ];
    for (const end of endings) {
      const client = await signedIn(a);
      await end(client);
      for (const node of [a, b]) await refused(present(client.refreshToken, node), 'credential_invalid');
      expect(replays(client).length).toBe(0);
    }
  });

  test('RF09 past the absolute and past the idle limit: credential_expired, young token or old', async () => {
    for (const column of ['expires_at', 'idle_expires_at']) {
      for (const old of [false, true]) {
        const client = await signedIn(a);
        if (old) await age(a, client);
        await a.rows(`UPDATE sessions SET ${column} = now() - interval '1 second' WHERE id = $1`, [
          client.sessionId,
        ]);
        for (const node of [a, b]) await refused(present(client.refreshToken, node), 'credential_expired');
        expect((await rowOf(client)).counter).toBe(0);
      }
    }
  });

  test('a refresh is activity: the idle end moves on, the absolute end does not', async () => {
    const client = await signedIn(a);
    await a.rows(
      `UPDATE sessions SET last_seen_at = last_seen_at - interval '20 minutes', idle_expires_at = idle_expires_at - interval '20 minutes'
       WHERE id = $1`,
      [client.sessionId],
    );
    const { body } = await client.refresh();
    const idleIn = async (): Promise<number> => {
      const sql = `SELECT extract(epoch FROM idle_expires_at - now())::float8 AS left, expires_at FROM sessions WHERE id = $1`;
      const [row] = await a.rows<{ left: number; expires_at: Date }>(sql, [client.sessionId]);
      expect(row?.expires_at.toISOString()).toBe(body.session.expiresAt);
      return row?.left ?? 0;
    };
    await eventually(async () => (await idleIn()) > 1700, 5000);
  });

  test('EN10 forged, unknown and malformed tokens are the same 401, and cost no query', async () => {
    const client = await signedIn(a);
    const token = client.refreshToken ?? '';
    const flipped = [...Array(18).keys()].map((i) => {
      const bytes = Buffer.from(token.slice(4), 'base64url');
      bytes[i * 3] = (bytes[i * 3] ?? 0) ^ 1;
      return `lkr_${bytes.toString('base64url')}`;
    });
    const bad = [
      ...flipped.slice(0, 12),
      token.slice(0, -1),
      `${token}A`,
      `${token}=`,
      token.replace('lkr_', 'LKR_'),
      token.slice(4),
      'lkr_',
      'x',
      '',
      `lkr_${randomBytes(54).toString('base64url')}`,
      client.accessToken?.slice(0, 500),
    ];
    const statements = await statementsDuring(a, async () => {
      for (const each of bad) await refused(present(each), 'credential_invalid');
    });
    expect(statements).toEqual([]);
    // Bytes of MAC2 alone: the row has to be asked, and nothing of it moves.
    for (const each of flipped.slice(14)) await refused(present(each), 'credential_invalid');
    expect((await client.me()).status).toBe(200);
    expect((await present(token)).status).toBe(200);
  });

  test('RF10 neither a database dump nor APP_SECRET alone makes a token, and a forgery ends no session', async () => {
    const client = await signedIn(a);
    const { seed, counter } = await rowOf(client);
    const sid = client.sessionId as SessionId;
    const [ours] = a.config.secrets;
    const strange: AppSecret = { id: 'ffffffff', derive: (_, length = 32) => randomBytes(length) };
    for (const n of [counter, counter + 1, counter + 5]) {
      await refused(present(makeRefreshToken(strange, seed, sid, n)), 'credential_invalid');
      await refused(present(makeRefreshToken(ours, randomBytes(16), sid, n)), 'credential_invalid');
      await refused(present(makeRefreshToken(ours, Buffer.alloc(16), sid, n)), 'credential_invalid');
    }
    await age(a, client);
    await refused(present(makeRefreshToken(ours, randomBytes(16), sid, 0)), 'credential_invalid');
    expect(replays(client).length).toBe(0);
    expect((await client.me()).status).toBe(200);
    expect((await client.refresh()).status).toBe(200);

    const tables = await a.rows<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`,
    );
    const dumps = await Promise.all(tables.map(({ name }) => a.rows(`SELECT t::text FROM "${name}" t`)));
    const dump = JSON.stringify(dumps);
    const token = Buffer.from(client.refreshToken?.slice(4) ?? '', 'base64url');
    expect(dump).toContain(client.sessionId);
    expect(dump).not.toContain('lkr_');
    expect(dump).not.toContain(token.subarray(22, 38).toString('hex'));
    expect(dump).not.toContain(token.subarray(38).toString('hex'));
  });

  test('a counter ahead of the row (a restored database) is accepted and told; then all goes on as before', async () => {
    const { client, before, now } = await rotated();
    await age(a, client);
    await a.rows(`UPDATE credentials SET counter = 0, rotated_at = NULL WHERE session_id = $1`, [
      client.sessionId,
    ]);
    const answer = await present(now, b);
    expect(answer.status).toBe(200);
    expect(replays(client)).toMatchObject([{ type: 'refresh_ahead', sessionId: client.sessionId }]);
    expect((await rowOf(client)).counter).toBe(2);
    expect((await present(now, a)).body.refreshToken).toBe(answer.body.refreshToken);
    await age(a, client);
    expect((await present(answer.body.refreshToken, a)).status).toBe(200);
    await refused(present(before, a), 'refresh_reused');
  });

  test('a role change shows in the token of the next refresh', async () => {
    const client = await signedIn(a);
    await a.rows(`UPDATE users SET roles = '{user,admin}' WHERE email = $1`, [client.email]);
    const { body } = await client.copy(b.url).refresh();
    expect(body.user.roles).toEqual(['user', 'admin']);
    const { status } = await b.client().get('/auth/me', {
      headers: { authorization: `Bearer ${body.accessToken}` },
    });
    expect(status).toBe(200);
  });

  test('no refusal sets or clears a cookie', async () => {
    const page = { origin: 'http://localhost:3000' };
    const refusals: [string, (client: TestClient) => Promise<unknown>][] = [
      ['credential_invalid', (client) => client.copy().logout()],
      [
        'credential_expired',
        ({ sessionId }) => a.rows(`UPDATE sessions SET expires_at = now() WHERE id = $1`, [sessionId]),
      ],
      [
        'refresh_reused',
        async (client) => {
          const other = client.copy();
          await age(a, client);
          await other.refresh();
          await age(a, client);
        },
      ],
      ['credential_invalid', async (client) => client.jar.set('rt', 'lkr_garbage')],
    ];
    for (const [code, spoil] of refusals) {
      const client = await signedIn(a, page);
      expect(client.jar.get('rt')).toMatch(/^lkr_/);
      await spoil(client);
      await refused(client.copy().refresh(), code);
    }
    const client = await signedIn(a, page);
    const foreign = await client.copy().refresh({ extra: 1 });
    expect([foreign.status, foreign.setCookies]).toEqual([400, []]);
    const forged = await client
      .copy()
      .post('/auth/refresh', {}, { headers: { origin: 'https://evil.example' } });
    expect([forged.status, forged.body.code, forged.setCookies]).toEqual([403, 'origin_not_allowed', []]);
  });

  test('without a refresh token: credential_missing, and what to send', async () => {
    const answer = await a.client().post('/auth/refresh');
    expect([answer.status, answer.body.code]).toEqual([401, 'credential_missing']);
    expect(answer.body.detail).toContain('refreshToken');
    // An access token is none.
    const client = await signedIn(a);
    client.refreshToken = undefined;
    expect((await client.refresh()).body.code).toBe('credential_missing');
  });
});

describe('races, two nodes', () => {
  const mode = 'session,jwt';
  let a: TestApp;
  let b: TestApp;
  let owner: TestClient;
  beforeAll(async () => {
    a = await startApp({ mode });
    b = await startApp({ mode, database: a.database });
    owner = await signedIn(a);
  });
  afterAll(async () => {
    await b.close();
    await a.close();
  });

  /** Neither what the clients held nor what a late refresh gave them. */
  async function nothingAlive(clients: readonly TestClient[]): Promise<void> {
    // Contract 5, rule 4: at once where it happened, within a second elsewhere.
    await delay(1000);
    await rounds(clients, async (client, round) => {
      const [here, there] = round % 2 ? [a, b] : [b, a];
      expect((await client.copy(here.url).me()).status).toBe(401);
      expect((await client.copy(there.url).me()).status).toBe(401);
      expect((await client.copy(here.url).refresh()).status).toBe(401);
    });
  }

  /** Some at a time, so that the two requests of a round meet. */
  async function rounds<T>(
    items: readonly T[],
    race: (item: T, round: number) => Promise<void>,
  ): Promise<void> {
    for (let i = 0; i < items.length; i += 10)
      await Promise.all(items.slice(i, i + 10).map((item, j) => race(item, i + j)));
  }

  test('RF07 200 rounds of refresh against logout: after both, nothing is alive', async () => {
    const clients = await devices(a, owner, 200);
    await ageAll(a);
    let won = 0;
    await rounds(clients, async (client, round) => {
      const leaving = client.copy(round % 2 ? a.url : b.url);
      const [refreshed, left] = await Promise.all([client.refresh(), leaving.logout()]);
      expect([200, 401]).toContain(refreshed.status);
      expect(left.status).toBe(204);
      if (refreshed.status === 200) won += 1;
      // At once on the node where it ended.
      expect((await client.copy(leaving.url).me()).status).toBe(401);
    });
    expect(won).toBeGreaterThan(0);
    await nothingAlive(clients);
  });

  test('RC07 refresh against a password change: the other devices are dead, old token and new', async () => {
    let password = PASSWORD;
    const survivor = await signedIn(a);
    const dead: TestClient[] = [];
    for (let round = 0; round < 8; round++) {
      const others = await devices(b, survivor, 5);
      await ageAll(a);
      const newPassword = `a quite unlikely phrase no ${round}`;
      const [changed] = await Promise.all([
        survivor.post('/auth/password', { currentPassword: password, newPassword }),
        ...others.map(async (other, i) => {
          // The hashes of the change take some 100 ms.
          for (const pause of [0, 20 * i, 40, 40]) {
            await delay(pause);
            expect([200, 401]).toContain((await other.refresh()).status);
            await age(a, other);
          }
        }),
      ]);
      expect(changed?.status).toBe(204);
      password = newPassword;
      dead.push(...others);
    }
    await nothingAlive(dead);
    expect((await survivor.refresh()).status).toBe(200);
    expect((await survivor.me()).status).toBe(200);
  });

  test('200 rounds of refresh against disabling the user: after both, nothing is alive', async () => {
    const users = await a.rows<{ email: string }>(
      `INSERT INTO users (id, email, password_hash)
       SELECT gen_random_uuid(), 'disabled' || n || '@example.com', '$argon2id$none' FROM generate_series(1, 200) n RETURNING email`,
    );
    const clients: TestClient[] = [];
    await rounds(users, async ({ email }) => {
      const user = owner.sibling();
      user.email = email;
      clients.push(...(await devices(a, user, 1)));
    });
    await ageAll(a);
    await rounds(clients, async (client) => {
      const [refreshed] = await Promise.all([
        client.refresh(),
        a.rows('UPDATE users SET disabled_at = now() WHERE email = $1', [client.email]),
      ]);
      expect([200, 401]).toContain(refreshed.status);
    });
    await nothingAlive(clients);
  });

  test('RF12 while the database is away: 503 with Retry-After and no cookie; the token is good afterwards', async () => {
    const [byBody] = await devices(a, owner, 1);
    const byCookie = await signedIn(a, { origin: 'http://localhost:3000' });
    await ageAll(a);
    try {
      await closeDatabase(a);
      for (const client of [byBody?.copy(), byCookie.copy()]) {
        const answer = await client?.refresh();
        expect([answer?.status, answer?.body.code, answer?.setCookies]).toEqual([503, 'unavailable', []]);
        expect(Number(answer?.headers.get('retry-after'))).toBeGreaterThan(0);
      }
      const forged = await a.client().post('/auth/refresh', { refreshToken: 'lkr_x' });
      expect(forged.status).toBe(401);
    } finally {
      await openDatabaseAgain(a);
    }
    for (const client of [byBody, byCookie]) {
      await eventually(async () => (await client?.refresh())?.status === 200);
      expect((await client?.me())?.status).toBe(200);
    }
  });
});

describe('KR02 APP_SECRET rotates in three deploys while clients refresh', () => {
  const [older, newer] = [randomBytes(32), randomBytes(32)].map((bytes) => bytes.toString('base64url'));
  const deploys = [`${older},${newer}`, `${newer},${older}`, `${newer}`];

  test.each([[[0, 1]], [[1, 0]]])('nodes in the order %j: nobody is logged out', async (order) => {
    const start = (APP_SECRET: string | undefined, database?: TestApp['database']) =>
      startApp({ mode: 'jwt', env: { APP_SECRET }, ...(database && { database }) });
    // Holds the database, and plays no part.
    const holder = await start(older);
    const nodes = [await start(older, holder.database), await start(older, holder.database)];
    const owner = await signedIn(holder);
    const clients = await devices(holder, owner, 8);
    const onNode = (i: number) => nodes[i % 2]?.url ?? '';

    /** Everybody refreshes, everybody's twin replays on the other node, and reads on both. */
    const live = async (): Promise<void> => {
      await ageAll(holder);
      await Promise.all(
        clients.map(async (client, i) => {
          const twin = client.copy(onNode(i + 1));
          const here = client.copy(onNode(i));
          const [first, second] = await Promise.all([here.refresh(), twin.refresh()]);
          expect([first.status, second.status]).toEqual([200, 200]);
          expect(second.body.refreshToken).toBe(first.body.refreshToken);
          const again = await client.copy(onNode(i + 1)).refresh();
          expect([again.status, again.body.refreshToken]).toEqual([200, first.body.refreshToken]);
          expect((await here.me()).status).toBe(200);
          expect((await here.copy(onNode(i + 1)).me()).status).toBe(200);
          client.refreshToken = here.refreshToken;
          client.accessToken = here.accessToken;
        }),
      );
    };

    await live();
    for (const secret of deploys) {
      for (const i of order) {
        await nodes[i]?.close();
        nodes[i] = await start(secret, holder.database);
        await live();
      }
    }
    expect(await holder.rows('SELECT id FROM sessions WHERE ended_at IS NOT NULL')).toEqual([]);
    expect(nodes.flatMap(({ events }) => events).filter(({ type }) => type.startsWith('refresh_'))).toEqual(
      [],
    );
    await Promise.all(nodes.map((node) => node.close()));
    await holder.close();
  });
});
