import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { conditionOf, pageSql } from '../../src/admin/user-search.js';
import { PasswordHasher } from '../../src/passwords/password-hasher.js';
import { mintUsers } from '../session/support/minted.js';
import { eventually } from '../support/processes.js';
import { MODES, TestApp } from '../support/test-app.js';
import type { TestClient } from '../support/test-client.js';

jest.setTimeout(120_000);

const UNKNOWN_ID = '01890000-0000-7000-8000-000000000000';

/** Signs up, and in again with that role. */
async function withRoles(app: TestApp, ...roles: string[]): Promise<TestClient & { id: string }> {
  const client = app.client();
  const { body } = await client.signup();
  await app.rows('UPDATE users SET roles = $2 WHERE id = $1', [body.user.id, ['user', ...roles]]);
  expect((await client.login()).status).toBe(200);
  return Object.assign(client, { id: body.user.id as string });
}

describe.each(MODES)('AUTH_MODE=%s, two nodes', (mode) => {
  let app: TestApp;
  let other: TestApp;
  let admin: TestClient & { id: string };
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { THROTTLE: 'off' } });
    other = await TestApp.start({ mode, database: app.database, env: { THROTTLE: 'off' } });
    admin = await withRoles(app, 'admin');
  });
  afterAll(async () => {
    await other.close();
    await app.close();
  });

  const audit = (userId: string, type: string): Promise<object[]> =>
    app.rows(
      'SELECT type, actor, user_id, request_id, details FROM audit_events WHERE user_id = $1 AND type = $2 ORDER BY id',
      [userId, type],
    );

  test('EN04 a disabled user is out on all nodes, and no session comes back when enabled again; both actors are recorded', async () => {
    const ann = await withRoles(app);
    const there = ann.copy(other.url);
    expect((await there.me()).status).toBe(200);
    const answer = await admin.post(`/admin/users/${ann.id}/disable`);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect((await ann.me()).status).toBe(401);
    await eventually(async () => (await there.me()).status === 401);
    expect((await ann.sibling().login()).body.code).toBe('login_failed');
    if (ann.refreshToken) expect((await ann.copy().refresh()).body.code).toBe('credential_invalid');
    const requestId = answer.headers.get('x-request-id');
    const by = { actor: admin.id, user_id: ann.id, request_id: requestId };
    expect(await audit(ann.id, 'user_disabled')).toEqual([{ ...by, type: 'user_disabled', details: {} }]);
    const ended = { ...by, type: 'session_ended', details: { reason: 'user_disabled' } };
    expect((await audit(ann.id, 'session_ended')).slice(-1)).toEqual([ended]);
    expect((await admin.get(`/admin/users/${ann.id}`)).body).toMatchObject({
      disabledAt: expect.stringMatching(/^\d{4}-/),
      sessions: 0,
    });

    expect((await admin.post(`/admin/users/${ann.id}/disable`)).status).toBe(204);
    expect(await audit(ann.id, 'user_disabled')).toHaveLength(1);
    expect((await admin.post(`/admin/users/${ann.id}/enable`)).status).toBe(204);
    expect([(await ann.me()).status, (await there.me()).status]).toEqual([401, 401]);
    const back = ann.sibling(undefined, other.url);
    expect((await back.login()).status).toBe(200);
    expect(await audit(ann.id, 'user_enabled')).toMatchObject([{ actor: admin.id }]);

    const { body } = await back.get('/auth/audit');
    const disabled = body.events.find(({ type }: { type: string }) => type === 'user_disabled');
    // The address of the administrator is not the user's to see.
    expect([disabled.ip, disabled.userAgent]).toEqual([null, null]);
  });

  test('enabling a user who was disabled by hand brings no session back either', async () => {
    const ann = await withRoles(app);
    await app.rows('UPDATE users SET disabled_at = now() WHERE id = $1', [ann.id]);
    await eventually(async () => (await ann.me()).status === 401);
    expect((await admin.post(`/admin/users/${ann.id}/enable`)).status).toBe(204);
    expect((await ann.me()).status).toBe(401);
    await eventually(async () => (await ann.copy(other.url).me()).status === 401);
  });

  test('roles: exactly the list, "user" always; they hold at once on all nodes, and older access tokens are expired', async () => {
    const ann = await withRoles(app);
    const there = ann.copy(other.url);
    expect((await there.get('/admin/users')).status).toBe(403);
    const put = (body: object) => admin.send('PUT', `/admin/users/${ann.id}/roles`, { body });
    const granted = await put({ roles: ['editor', 'admin', 'editor'] });
    expect([granted.status, granted.body.roles]).toEqual([200, ['user', 'editor', 'admin']]);
    const bearer = mode.startsWith('jwt');
    // A login replaces the session of the cookie that it brings along.
    const sessions = bearer ? 2 : 1;
    expect(granted.body).toMatchObject({ id: ann.id, email: ann.email, disabledAt: null, sessions });
    await eventually(async () => (await there.get('/admin/users')).status === (bearer ? 401 : 200));
    if (bearer) {
      expect((await there.me()).body.code).toBe('credential_expired');
      expect((await there.refresh()).status).toBe(200);
      expect((await there.get('/admin/users')).status).toBe(200);
    }
    expect((await put({ roles: [] })).body.roles).toEqual(['user']);
    await eventually(async () => [401, 403].includes((await there.get('/admin/users')).status));
    expect(await audit(ann.id, 'roles_changed')).toMatchObject([
      { actor: admin.id, details: { from: ['user'], to: ['user', 'editor', 'admin'] } },
      { actor: admin.id, details: { from: ['user', 'editor', 'admin'], to: ['user'] } },
    ]);
    expect((await put({ roles: ['user'] })).status).toBe(200);
    expect(await audit(ann.id, 'roles_changed')).toHaveLength(2);

    for (const roles of [
      ['Admin'],
      ['a b'],
      [''],
      ['x'.repeat(33)],
      ['1a'],
      'admin',
      [1],
      ['a,b'],
      undefined,
    ]) {
      expect([roles, (await put({ roles })).status]).toEqual([roles, 400]);
    }
    const names = Array.from({ length: 16 }, (_, n) => `role-${n}`);
    expect((await put({ roles: names })).body.errors).toEqual([
      { path: 'roles', message: 'must be at most 16 roles, "user" included' },
    ]);
    expect((await put({ roles: names.slice(1) })).body.roles).toEqual(['user', ...names.slice(1)]);
    expect((await put({ roles: [], disabled: true })).status).toBe(400);
  });

  test('ending all sessions of a user: out everywhere, free to sign in again', async () => {
    const ann = await withRoles(app);
    const there = ann.copy(other.url);
    expect((await there.me()).status).toBe(200);
    const answer = await admin.send('DELETE', `/admin/users/${ann.id}/sessions`);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect((await ann.me()).status).toBe(401);
    await eventually(async () => (await there.me()).status === 401);
    expect((await ann.login()).status).toBe(200);
    expect((await audit(ann.id, 'session_ended')).at(-1)).toMatchObject({
      actor: admin.id,
      details: { reason: 'ended_by_admin' },
    });
  });

  test('AZ02 an id of nobody, or what is none, is 404 and changes nothing', async () => {
    for (const id of [UNKNOWN_ID, 'me', "'%20OR%201=1", '01890000']) {
      const answers = [
        await admin.get(`/admin/users/${id}`),
        await admin.post(`/admin/users/${id}/disable`),
        await admin.post(`/admin/users/${id}/enable`),
        await admin.send('PUT', `/admin/users/${id}/roles`, { body: { roles: [] } }),
        await admin.send('DELETE', `/admin/users/${id}/sessions`),
      ];
      expect(answers.map(({ status, body }) => [status, body.code])).toEqual(
        Array(5).fill([404, 'not_found']),
      );
    }
    expect((await admin.me()).status).toBe(200);
  });

  test('an administrator can neither disable nor demote themselves, and of two who try it on each other one stays', async () => {
    const own = `/admin/users/${admin.id}`;
    for (const answer of [
      await admin.post(`${own}/disable`),
      await admin.send('PUT', `${own}/roles`, { body: { roles: ['editor'] } }),
    ]) {
      expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
      expect(answer.body.detail).toMatch(/themselves/);
    }
    expect((await admin.send('PUT', `${own}/roles`, { body: { roles: ['admin', 'auditor'] } })).status).toBe(
      200,
    );
    expect((await admin.login()).status).toBe(200);

    const bob = await withRoles(other, 'admin');
    for (let round = 0; round < 10; round++) {
      const demote = (client: TestClient, id: string) =>
        round % 2 === 0
          ? client.post(`/admin/users/${id}/disable`)
          : client.send('PUT', `/admin/users/${id}/roles`, { body: { roles: [] } });
      const answers = await Promise.all([demote(admin, bob.id), demote(bob, admin.id)]);
      for (const { status } of answers) expect([200, 204, 401, 403]).toContain(status);
      expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
      const admins = await app.rows(
        `SELECT id FROM users WHERE 'admin' = ANY (roles) AND disabled_at IS NULL AND id = ANY ($1)`,
        [[admin.id, bob.id]],
      );
      expect(admins).toHaveLength(1);
      await app.rows(`UPDATE users SET roles = '{user,admin}', disabled_at = NULL WHERE id = ANY ($1)`, [
        [admin.id, bob.id],
      ]);
      // The one who was disabled has no session any more; the other may hold a token of other roles.
      for (const client of [admin, bob]) {
        client.jar.set('sid', '');
        client.accessToken = client.csrfToken = undefined;
        expect((await client.login()).status).toBe(200);
      }
    }
  });
});

describe('the search', () => {
  let app: TestApp;
  let admin: TestClient & { id: string };
  beforeAll(async () => {
    app = await TestApp.start({ mode: 'session', env: { THROTTLE: 'off' } });
    admin = await withRoles(app, 'admin');
    await app.rows(
      `INSERT INTO users (id, email, name, password_hash, created_at)
       SELECT ('0189' || lpad(to_hex(n), 4, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
         'person' || n || '@many.example', CASE WHEN n % 2 = 0 THEN 'Zoë ' || n END, 'none', now()
       FROM generate_series(1, 40) AS n`,
    );
    await app.rows(
      `INSERT INTO users (id, email, name, password_hash) VALUES (gen_random_uuid(), '100%_sure@odd.example', 'a_b%c', 'none')`,
    );
  });
  afterAll(() => app.close());

  const find = (query: string) => admin.get(`/admin/users?${query}`);
  const emails = ({ body }: Awaited<ReturnType<typeof find>>): string[] =>
    body.users.map(({ email }: { email: string }) => email);

  test('without a question: everybody, the newest first, page by page, nobody twice and nobody left out', async () => {
    const seen: string[] = [];
    let cursor: string | null = '';
    for (let pages = 0; cursor !== null && pages < 20; pages++) {
      const { status, body } = await find(`limit=7${cursor && `&cursor=${cursor}`}`);
      expect(status).toBe(200);
      expect(body.users.length).toBeLessThanOrEqual(7);
      seen.push(...body.users.map(({ id }: { id: string }) => id));
      cursor = body.next;
    }
    const all = await app.rows<{ id: string }>('SELECT id FROM users ORDER BY id DESC');
    expect(seen).toEqual(all.map(({ id }) => id));
    expect((await find('')).body.users).toHaveLength(42);
    expect((await find('limit=42')).body.next).toBeNull();
  });

  test('by the beginning of the email or the name, in any case, or by id; each user as administrators see one', async () => {
    expect(emails(await find('query=PERSON3'))).toEqual(
      [39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 3].map((n) => `person${n}@many.example`),
    );
    expect(emails(await find(`query=${encodeURIComponent('zoË 4')}`))).toEqual([
      'person40@many.example',
      'person4@many.example',
    ]);
    expect(emails(await find('query=erson'))).toEqual([]);
    for (const literal of ['100%25_', '100%25', 'a_b', 'a_b%25']) {
      expect([literal, emails(await find(`query=${literal}`))]).toEqual([literal, ['100%_sure@odd.example']]);
    }
    for (const pattern of ['%25', '_', '%25sure', '\\']) {
      expect([pattern, emails(await find(`query=${pattern}`))]).toEqual([pattern, []]);
    }
    const { body } = await find(`query=${admin.id.toUpperCase()}`);
    expect(body).toEqual({
      users: [
        {
          id: admin.id,
          email: admin.email,
          name: null,
          roles: ['user', 'admin'],
          createdAt: expect.any(String),
          updatedAt: expect.any(String),
          disabledAt: null,
          lastSeenAt: expect.stringMatching(/Z$/),
          sessions: 1,
        },
      ],
      next: null,
    });
    expect((await admin.get(`/admin/users/${admin.id}`)).body).toEqual(body.users[0]);
  });

  test('a limit, cursor or key that cannot be is 400 and says which', async () => {
    for (const [query, path] of [
      ['limit=0', 'limit'],
      ['limit=101', 'limit'],
      ['limit=1e1', 'limit'],
      ['limit=5&limit=6', 'limit'],
      ['cursor=nonsense', 'cursor'],
      ['cursor=', 'cursor'],
      [`query=${'x'.repeat(255)}`, 'query'],
      ['query=a&query=b', 'query'],
      ['order=email', ''],
    ]) {
      const { status, body } = await find(query ?? '');
      expect([query, status, body.errors?.[0].path]).toEqual([query, 400, path]);
    }
  });

  test('is done by the indexes among 100,000 users', async () => {
    await app.rows(
      `INSERT INTO users (id, email, name, password_hash)
       SELECT gen_random_uuid(), md5(n::text) || '@crowd.example', md5(n::text || 'name'), 'none' FROM generate_series(1, 100000) AS n`,
    );
    await app.rows('ANALYZE users');
    const plan = async (query: string): Promise<string> => {
      const { condition, parameter } = conditionOf(query);
      const rows = await app.rows<{ 'QUERY PLAN': string }>(`EXPLAIN ${pageSql(condition)}`, [
        51,
        null,
        parameter,
      ]);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    const search = await plan('c4ca42');
    expect(search).toContain('users_email_prefix_idx');
    expect(search).toContain('users_name_prefix_idx');
    for (const query of ['', 'c4ca42', admin.id])
      expect(await plan(query)).not.toContain('Seq Scan on users');
    const admins = await app.rows<{ 'QUERY PLAN': string }>(
      `EXPLAIN SELECT id FROM users WHERE disabled_at IS NULL AND 'admin' = ANY (roles) ORDER BY id FOR UPDATE`,
    );
    expect(admins.map((row) => row['QUERY PLAN']).join('\n')).toContain('users_admins_idx');
    expect((await find('query=c4ca42')).body.users).not.toEqual([]);
  });
});

test('RC09 disabling by an administrator against logins, 200 rounds on two nodes: nobody is in afterwards', async () => {
  const first = await TestApp.start({ mode: 'session', env: { THROTTLE: 'off' } });
  const second = await TestApp.start({ mode: 'session', database: first.database, env: { THROTTLE: 'off' } });
  const admin = await withRoles(first, 'admin');
  for (const node of [first, second]) {
    const hasher = node.get(PasswordHasher);
    hasher.verify = async () => true;
    hasher.needsRehash = () => false;
  }
  const users = await mintUsers(first, 200);
  let next = 0;
  let won = 0;
  // Logins come before, while and after the disabling, however fast the machine is.
  let typical = 20;
  const worker = async (): Promise<void> => {
    for (let user = users[next++]; user; user = users[next++]) {
      const clients = [first.client(), second.client(), first.client()];
      for (const client of clients) client.email = user.email;
      const start = performance.now();
      const [disabled, ...logins] = await Promise.all([
        admin.post(`/admin/users/${user.id}/disable`).finally(() => (typical = performance.now() - start)),
        ...clients.map(async (client) => (await delay(Math.random() * 2 * typical), client.login())),
      ]);
      expect(disabled?.status).toBe(204);
      for (const { status } of logins) expect([200, 401]).toContain(status);
      won += logins.filter(({ status }) => status === 200).length;
      expect(
        await first.rows('SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL', [user.id]),
      ).toEqual([]);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  console.log(`RC09: ${won} of 600 logins were before the disabling`);
  await second.close();
  await first.close();
});
