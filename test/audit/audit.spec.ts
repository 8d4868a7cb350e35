import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { AuditCounter } from '../../src/audit/audit-counter.js';
import { AuditPruner } from '../../src/audit/audit-pruner.js';
import { PasswordHasher } from '../../src/passwords/password-hasher.js';
import { MODES, TestApp } from '../support/test-app.js';
import { type Answer, PASSWORD, TestClient, newEmail } from '../support/test-client.js';

jest.setTimeout(120_000);

const NEW_PASSWORD = 'quite another phrase 2';

interface Row {
  id: string;
  at: Date;
  type: string;
  actor: string | null;
  user_id: string | null;
  session_id: string | null;
  ip: string | null;
  user_agent: string | null;
  request_id: string | null;
  count: number;
  bucket: string | null;
  details: Record<string, unknown>;
}

const rowsOf = (app: TestApp, condition = 'true', parameters: unknown[] = []): Promise<Row[]> =>
  app.rows<Row>(`SELECT * FROM audit_events WHERE ${condition} ORDER BY at, id`, parameters);
const requestId = ({ headers }: Answer): string | null => headers.get('x-request-id');

describe.each(MODES)('AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { THROTTLE: 'off' } });
  });
  afterAll(() => app.close());

  test('signup, login, password, devices, logout: each is in the audit with who, what, where and which request', async () => {
    const ann = app.client();
    const signup = await ann.signup();
    const userId: string = signup.body.user.id;
    const phone = ann.sibling({ userAgent: 'phone' });
    const login = await phone.login();
    const ended = await ann.send('DELETE', `/auth/sessions/${phone.sessionId}`);
    const laptop = ann.sibling({ userAgent: 'laptop' });
    const again = await laptop.login();
    const changed = await ann.post('/auth/password', {
      currentPassword: PASSWORD,
      newPassword: NEW_PASSWORD,
    });
    const failed = await phone.login();
    const logout = await ann.logout();
    expect([ended.status, changed.status, failed.status, logout.status]).toEqual([204, 204, 401, 204]);

    const rows = await rowsOf(app, 'user_id = $1', [userId]);
    const own = { actor: userId, user_id: userId, ip: '127.0.0.1', count: 1, bucket: null };
    const tests = { ...own, user_agent: 'latchkey-tests' };
    const started = { type: 'session_started', details: { newDevice: true } };
    expect(rows).toMatchObject([
      { ...tests, type: 'user_created', session_id: null, request_id: requestId(signup), details: {} },
      { ...tests, ...started, session_id: ann.sessionId, request_id: requestId(signup) },
      { ...own, ...started, user_agent: 'phone', session_id: phone.sessionId, request_id: requestId(login) },
      {
        ...tests,
        type: 'session_ended',
        session_id: phone.sessionId,
        request_id: requestId(ended),
        details: { reason: 'ended_by_user' },
      },
      {
        ...own,
        ...started,
        user_agent: 'laptop',
        session_id: laptop.sessionId,
        request_id: requestId(again),
      },
      {
        ...tests,
        type: 'session_ended',
        session_id: laptop.sessionId,
        request_id: requestId(changed),
        details: { reason: 'password_changed' },
      },
      { ...tests, type: 'password_changed', session_id: ann.sessionId, request_id: requestId(changed) },
      {
        type: 'login_failed',
        actor: null,
        user_id: userId,
        session_id: null,
        ip: '127.0.0.1',
        user_agent: 'phone',
        request_id: requestId(failed),
        count: 1,
        details: {},
      },
      {
        ...tests,
        type: 'session_ended',
        session_id: ann.sessionId,
        request_id: requestId(logout),
        details: { reason: 'logout' },
      },
    ]);
  });

  test('GET /auth/audit: my own newest 100, newest first, and nothing of anybody else', async () => {
    const ann = app.client();
    const signup = await ann.signup();
    await app.client().signup();
    await app.rows(
      `INSERT INTO audit_events (id, at, type, user_id) SELECT gen_random_uuid(), now() - make_interval(hours => n), 'older', $1
       FROM generate_series(1, 150) AS n`,
      [signup.body.user.id],
    );
    const { status, body } = await ann.get('/auth/audit');
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual(['events']);
    expect(body.events).toHaveLength(100);
    expect(body.events[0]).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      type: 'session_started',
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      sessionId: ann.sessionId,
      ip: '127.0.0.1',
      userAgent: 'latchkey-tests',
      count: 1,
      details: { newDevice: true },
    });
    expect(body.events[1]).toMatchObject({ type: 'user_created', sessionId: null });
    expect(body.events[1]).not.toHaveProperty('details');
    expect(body.events.slice(2).every(({ type }: { type: string }) => type === 'older')).toBe(true);
    const times = body.events.map(({ at }: { at: string }) => at);
    expect(times).toEqual(times.toSorted().toReversed());
    expect((await app.client().get('/auth/audit')).status).toBe(401);
  });

  test('EL06 neither a password, a token or a cookie is in it, nor any email', async () => {
    const ann = app.client();
    await ann.signup({ name: 'Ann Canary' });
    await ann.sibling().login({ password: 'canary-in-a-password' });
    await ann.refresh();
    await ann.post('/auth/password', { currentPassword: PASSWORD, newPassword: NEW_PASSWORD });
    await app.client({ origin: 'https://canary.example' }).login();
    await app.get(AuditCounter).flush();
    const text = JSON.stringify(await rowsOf(app));
    const held = [ann.accessToken, ann.refreshToken, ann.csrfToken, ann.jar.get('sid')].filter(Boolean);
    expect(held.length).toBeGreaterThan(1);
    for (const secret of [...held, PASSWORD, NEW_PASSWORD, ann.email, 'example.com', 'anary', '@']) {
      expect([secret, text.includes(secret ?? '')]).toEqual([secret, false]);
    }
  });

  test('what cannot be recorded does not happen: 503 and no cookie, at login, signup, password change and logout', async () => {
    const ann = app.client();
    await ann.signup();
    const state = async (): Promise<unknown> =>
      app.rows(
        `SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM sessions WHERE ended_at IS NULL) AS live,
           (SELECT string_agg(password_hash, ' ' ORDER BY id) FROM users) AS hashes`,
      );
    const before = await state();
    await app.rows('ALTER TABLE audit_events RENAME TO audit_events_away');
    try {
      const answers = [
        await ann.sibling().login(),
        await app.client().signup(),
        await ann.copy().post('/auth/password', { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }),
        await ann.copy().send('DELETE', '/auth/sessions/' + ann.sessionId),
        await ann.copy().logout(),
      ];
      expect(answers.map(({ status, body }) => [status, body.code])).toEqual(
        Array(5).fill([503, 'unavailable']),
      );
      expect(answers.flatMap(({ setCookies }) => setCookies)).toEqual([]);
      expect(await state()).toEqual(before);
      expect((await ann.me()).status).toBe(200);
      // A refusal stays what it is; it is recorded as soon as that can be done.
      expect((await ann.sibling().login({ password: NEW_PASSWORD })).status).toBe(401);
    } finally {
      await app.rows('ALTER TABLE audit_events_away RENAME TO audit_events');
    }
    await app.get(AuditCounter).flush();
    const { body } = await ann.get('/auth/audit');
    expect(body.events.map(({ type }: { type: string }) => type)).toContain('login_failed');
    expect((await ann.logout()).status).toBe(204);
  });

  test('a refused sign-in page and a forged request with a cookie are in it', async () => {
    const page = app.client({ origin: 'https://evil.example' });
    const refused = await page.post('/auth/login', { email: newEmail(), password: PASSWORD });
    expect(refused.body.code).toBe('origin_not_allowed');
    const expected = [
      {
        type: 'csrf_refused',
        actor: null,
        user_id: null,
        session_id: null,
        details: { code: 'origin_not_allowed' },
      },
    ];
    if (mode.startsWith('session')) {
      const ann = app.client();
      const { body } = await ann.signup();
      const forged = await ann.copy().send('PATCH', '/auth/me', {
        body: { name: 'x' },
        headers: { 'x-csrf-token': undefined, authorization: undefined },
      });
      expect(forged.body.code).toBe('csrf_failed');
      expected.push({
        type: 'csrf_refused',
        actor: null,
        user_id: body.user.id,
        session_id: body.session.id,
        details: { code: 'csrf_failed' },
      });
      expect((await rowsOf(app, 'request_id = $1', [requestId(forged)]))[0]).toMatchObject(expected[1]!);
    }
    expect((await rowsOf(app, `type = 'csrf_refused' AND user_id IS NULL`)).at(0)).toMatchObject(
      expected[0]!,
    );
  });

  test('whoever lacks a role is in it, with what was needed; nobody without a credential is', async () => {
    const ann = app.client();
    const { body } = await ann.signup();
    const refused = await ann.get('/admin/users');
    expect([refused.status, (await ann.get('/admin/users')).status]).toEqual([403, 403]);
    expect((await app.client().get('/admin/users')).status).toBe(401);
    await app.get(AuditCounter).flush();
    const rows = await rowsOf(app, `type = 'access_refused'`);
    expect(rows[0]).toMatchObject({
      actor: body.user.id,
      user_id: body.user.id,
      session_id: body.session.id,
      ip: '127.0.0.1',
      user_agent: 'latchkey-tests',
      request_id: requestId(refused),
      details: { required: ['admin'] },
    });
    expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(2);
  });

  test('the rows about a deleted user stay, by id alone', async () => {
    const ann = app.client();
    const { body } = await ann.signup();
    await app.rows('DELETE FROM users WHERE id = $1', [body.user.id]);
    expect((await rowsOf(app, 'user_id = $1', [body.user.id])).length).toBe(2);
  });
});

describe.each(MODES)('AUTH_MODE=%s, with limits', (mode) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { THROTTLE: 'on', TRUST_PROXY: '1' } });
  });
  afterAll(() => app.close());

  /** Too many wrong passwords from somewhere. @returns those that were refused unseen */
  async function guess(email: string, address: string): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (let i = 0; i < 8; i++) {
      const stranger = app.client({ address, userAgent: 'stranger' });
      answers.push(await stranger.post('/auth/login', { email, password: NEW_PASSWORD }));
    }
    await app.get(AuditCounter).flush();
    const statuses = answers.map(({ status }) => status);
    expect(statuses).toEqual([...Array(5).fill(401), ...Array(3).fill(429)]);
    return answers.slice(5);
  }
  const locks = (ip: string): Promise<Row[]> => rowsOf(app, `type = 'account_locked' AND ip = $1`, [ip]);

  test('a lock of an account is in it, with a count: whose, from where, by which limit; its owner sees it', async () => {
    const ann = app.client({ address: '192.0.2.10' });
    const { body } = await ann.signup();
    const [first] = await guess(ann.email, '192.0.2.11');
    const rows = await locks('192.0.2.11');
    // Two when a minute has begun in between.
    expect(rows.length).toBeLessThanOrEqual(2);
    expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect(rows[0]).toMatchObject({
      actor: null,
      user_id: body.user.id,
      session_id: null,
      user_agent: 'stranger',
      request_id: requestId(first!),
      details: { limits: ['login-failures-per-account'] },
    });
    const own = (await ann.get('/auth/audit')).body.events;
    expect(own).toContainEqual(expect.objectContaining({ type: 'account_locked', ip: '192.0.2.11' }));

    // Where its owner signs in from it is another lock, of another limit.
    await guess(ann.email, '192.0.2.10');
    expect((await locks('192.0.2.10'))[0]?.details).toEqual({
      limits: ['login-failures-from-known-address'],
    });
  });

  test('EN02 so is one of an address without an account, by the same statements, and by no name', async () => {
    const email = newEmail();
    const ann = app.client({ address: '192.0.2.20' });
    await ann.signup();
    const statements: string[][] = [];
    for (const [to, ip] of [
      [email, '192.0.2.21'],
      [ann.email, '192.0.2.22'],
    ] as const) {
      const counted = app.countQueries();
      await guess(to, ip);
      counted.stop();
      statements.push([...new Set(counted.statements)].filter((sql) => /users|audit_events/.test(sql)));
      expect((await locks(ip))[0]).toMatchObject({ details: { limits: ['login-failures-per-account'] } });
    }
    expect(statements[0]).toEqual(statements[1]);
    const [unknown] = await locks('192.0.2.21');
    expect([unknown?.user_id, JSON.stringify(unknown).includes(email)]).toEqual([null, false]);
  });

  test('a limit by address alone locks no account', async () => {
    const stranger = app.client({ address: '192.0.2.30' });
    // At once, so that it is not the guard that refuses them.
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        stranger.post('/auth/login', { email: newEmail(), password: PASSWORD }),
      ),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array(10).fill(401), ...Array(10).fill(429)]);
    await app.get(AuditCounter).flush();
    expect(await locks('192.0.2.30')).toEqual([]);
  });
});

describe('refresh tokens', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode: 'jwt', env: { TRUST_PROXY: '1', JWT_REFRESH_GRACE: '60s' } });
  });
  afterAll(() => app.close());

  test('a replay from elsewhere is counted; a reuse is recorded once, with the session that it ends', async () => {
    const ann = app.client();
    const { body } = await ann.signup();
    const first = ann.refreshToken;
    await app.rows(`UPDATE credentials SET issued_at = issued_at - interval '2 minutes'`);
    expect((await ann.refresh()).status).toBe(200);
    const thief = new TestClient(app.url, { userAgent: 'thief' });
    for (let i = 0; i < 3; i++) {
      expect((await thief.post('/auth/refresh', { refreshToken: first })).status).toBe(200);
    }
    await app.rows(`UPDATE credentials SET rotated_at = rotated_at - interval '2 minutes'`);
    for (let i = 0; i < 3; i++) {
      expect((await thief.post('/auth/refresh', { refreshToken: first })).status).toBe(401);
    }
    await app.get(AuditCounter).flush();
    const rows = await rowsOf(app, `session_id = $1 AND type <> 'session_started'`, [body.session.id]);
    const replays = rows.filter(({ type }) => type === 'refresh_replayed');
    expect(replays.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect(replays[0]).toMatchObject({ user_agent: 'thief', actor: null });
    expect(rows.filter(({ type }) => type !== 'refresh_replayed')).toMatchObject([
      { type: 'session_ended', actor: 'system', details: { reason: 'refresh_reused' }, user_agent: 'thief' },
      {
        type: 'refresh_reused',
        user_agent: 'thief',
        details: { previous: { address: '127.0.0.1', userAgent: 'latchkey-tests' } },
      },
    ]);
  });

  test('a counter ahead of the row, after a restore, is recorded with its rotation', async () => {
    const ann = app.client();
    const { body } = await ann.signup();
    await app.rows(
      `UPDATE credentials SET issued_at = issued_at - interval '2 minutes' WHERE session_id = $1`,
      [body.session.id],
    );
    expect((await ann.refresh()).status).toBe(200);
    await app.rows(
      `UPDATE credentials SET counter = 0, rotated_at = rotated_at - interval '2 minutes' WHERE session_id = $1`,
      [body.session.id],
    );
    expect((await ann.refresh()).status).toBe(200);
    expect(await rowsOf(app, `session_id = $1 AND type = 'refresh_ahead'`, [body.session.id])).toMatchObject([
      { count: 1, bucket: null },
    ]);
  });
});

describe('events that strangers cause', () => {
  let nodes: [TestApp, TestApp];
  beforeAll(async () => {
    const first = await TestApp.start({ mode: 'session', env: { TRUST_PROXY: '1', THROTTLE: 'off' } });
    const env = { TRUST_PROXY: '1', THROTTLE: 'off' };
    nodes = [first, await TestApp.start({ mode: 'session', env, database: first.database })];
    for (const node of nodes) {
      const hasher = node.get(PasswordHasher);
      hasher.verify = async () => false;
      // Written when a test says so.
      clearInterval(Reflect.get(node.get(AuditCounter), 'timer') as NodeJS.Timeout);
    }
  });
  afterAll(async () => {
    await nodes[1].close();
    await nodes[0].close();
  });

  const login = (node: TestApp, email: string, address: string): Promise<Answer> =>
    node
      .client()
      .post('/auth/login', { email, password: PASSWORD }, { headers: { 'x-forwarded-for': address } });
  const flush = async (): Promise<void> => {
    for (const node of nodes) await node.get(AuditCounter).flush();
  };
  const failures = (ips: readonly string[]): Promise<Row[]> =>
    rowsOf(nodes[0], `type = 'login_failed' AND ip = ANY($1)`, [ips]);
  const total = (rows: readonly Row[]): number => rows.reduce((sum, { count }) => sum + count, 0);
  /** Rows that one bucket may have made since: one for each minute that has begun. */
  const minutesSince = (start: number): number =>
    Math.floor(Date.now() / 60_000) - Math.floor(start / 60_000) + 1;

  test('1,000 failed logins of one account from one address, on two nodes: a row a minute, and the right count', async () => {
    const ann = nodes[0].client();
    await ann.signup();
    const start = Date.now();
    const queries = nodes.map((node) => node.countQueries());
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next++ < 1_000) {
        expect((await login(nodes[next % 2]!, ann.email, '192.0.2.1')).status).toBe(401);
      }
    };
    await Promise.all(Array.from({ length: 20 }, worker));
    for (const counted of queries) {
      counted.stop();
      const written = counted.statements.filter((sql) => sql.startsWith('INSERT INTO audit_events'));
      expect(written.length).toBeLessThanOrEqual(minutesSince(start));
    }
    await flush();
    const rows = await failures(['192.0.2.1']);
    expect(rows.length).toBeLessThanOrEqual(minutesSince(start));
    expect(total(rows)).toBe(1_000);
  });

  test('the first of a minute is on record before its answer, the others after the next flush', async () => {
    const ann = nodes[0].client();
    await ann.signup();
    await login(nodes[0], ann.email, '192.0.2.2');
    expect(total(await failures(['192.0.2.2']))).toBe(1);
  });

  test('one network counts as one address: an IPv6 /64', async () => {
    const email = newEmail();
    const start = Date.now();
    const addresses = Array.from({ length: 20 }, (_, n) => `2001:db8:1:2::${(n + 1).toString(16)}`);
    for (const address of addresses) await login(nodes[0], email, address);
    await login(nodes[0], email, '2001:db8:1:3::1');
    await flush();
    expect((await failures(addresses)).length).toBeLessThanOrEqual(minutesSince(start));
    expect(total(await failures(addresses))).toBe(20);
    expect(await failures(['2001:db8:1:3::1'])).toHaveLength(1);
  });

  test('EN02 an address with an account and one without cost the same statements, the first time and later', async () => {
    const ann = nodes[0].client();
    await ann.signup();
    const costs = async (email: string): Promise<string[]> => {
      const queries = nodes[0].countQueries();
      await login(nodes[0], email, '192.0.2.3');
      queries.stop();
      return queries.statements.filter((sql) => /\b(users|INSERT INTO audit_events)\b/.test(sql));
    };
    const tried = [ann.email, newEmail()];
    const [known, unknown] = [await costs(tried[0]!), await costs(tried[1]!)];
    expect(known.filter((sql) => sql.startsWith('INSERT INTO audit_events'))).toHaveLength(1);
    expect(unknown).toEqual(known);
    const rows = await failures(['192.0.2.3']);
    expect(rows.map(({ user_id }) => user_id !== null).sort()).toEqual([false, true]);
    // Within the minute. When another one has begun, the first attempts of it are compared once more.
    const [again, unknownAgain] = [await costs(tried[0]!), await costs(tried[1]!)];
    const begun = (await failures(['192.0.2.3'])).length > rows.length;
    if (!begun) expect(again.filter((sql) => sql.startsWith('INSERT'))).toEqual([]);
    if (!begun) expect(unknownAgain).toEqual(again);
  });

  test('more buckets than a node keeps are counted by their type', async () => {
    const counter = nodes[1].get(AuditCounter);
    const entry = {
      type: 'login_failed' as const,
      actor: null,
      userId: null,
      sessionId: null,
      ip: '198.51.100.1',
      userAgent: null,
      requestId: null,
      details: {},
    };
    const marker = 'made up';
    const start = Date.now();
    // The buckets that fit are made without the database, to be quick: their first row is what the test above is about.
    const buckets = Reflect.get(counter, 'buckets') as Map<string, object>;
    const minute = Number.MAX_SAFE_INTEGER;
    for (let i = 0; i < 10_000; i++) buckets.set(`${marker} ${i}`, { entry, minute, pending: 0 });
    for (let i = 0; i < 50; i++) await counter.count({ ...entry, ip: `198.51.100.${i}` }, `account ${i}`);
    for (const name of [...buckets.keys()]) if (name.startsWith(marker)) buckets.delete(name);
    await flush();
    const rows = await rowsOf(nodes[1], `type = 'login_failed' AND ip IS NULL`);
    expect(total(rows)).toBe(50);
    expect(rows.length).toBeLessThanOrEqual(minutesSince(start));
  });
});

describe('the table', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode: 'session', env: { AUDIT_RETENTION: '30d' } });
    await app.client().signup();
    await app.client().login();
  });
  afterAll(() => app.close());

  test.each([
    [`UPDATE audit_events SET type = 'nothing'`],
    [`UPDATE audit_events SET user_id = NULL`],
    [`UPDATE audit_events SET count = 0 WHERE bucket IS NOT NULL`],
    [`UPDATE audit_events SET count = 9, type = 'x' WHERE bucket IS NOT NULL`],
    [`UPDATE audit_events SET count = 9 WHERE bucket IS NULL`],
    [`DELETE FROM audit_events`],
    [`TRUNCATE audit_events`],
  ])('is append-only: %s', async (statement) => {
    const before = await rowsOf(app);
    await expect(app.rows(statement)).rejects.toThrow('audit_events is append-only');
    expect(await rowsOf(app)).toEqual(before);
    expect(before.map(({ type }) => type)).toContain('login_failed');
  });

  test('what is older than AUDIT_RETENTION is pruned, in batches, and nothing else', async () => {
    const before = await rowsOf(app);
    await app.rows(
      `INSERT INTO audit_events (id, at, type) SELECT gen_random_uuid(), now() - make_interval(days => 30, mins => n), 'old'
       FROM generate_series(1, 2500) AS n`,
    );
    await app.rows(
      `INSERT INTO audit_events (id, at, type) VALUES (gen_random_uuid(), now() - interval '29 days 23 hours', 'young')`,
    );
    expect(await app.get(AuditPruner).prune()).toBe(2_500);
    expect((await rowsOf(app)).map(({ type }) => type)).toEqual(['young', ...before.map(({ type }) => type)]);
    expect(await app.get(AuditPruner).prune()).toBe(0);
  });
});
