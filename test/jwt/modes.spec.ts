import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ConfigError, loadConfig } from '../../src/config/load-config.js';
import { eventually } from '../support/processes.js';
import { MODES, type TestApp } from '../support/test-app.js';
import { type Answer, PASSWORD, TestClient } from '../support/test-client.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';
import { JWT_MODES, age, signedIn, startApp, statementsDuring } from './support/jwt-app.js';

const ROUTES: readonly (readonly [string, string, object?])[] = [
  ['GET', '/auth/me'],
  ['PATCH', '/auth/me', { name: 'x' }],
  ['GET', '/auth/sessions'],
  ['DELETE', '/auth/sessions'],
  ['POST', '/auth/password', { currentPassword: 'x', newPassword: 'y' }],
  ['POST', '/auth/logout'],
  ['GET', '/session'],
  ['DELETE', '/session'],
];

/** One company, four deployments of it in four modes on one database and one secret, as while a mode is being switched. */
describe('the same database in every mode', () => {
  const nodes = new Map<string, TestApp>();
  let database: TestDatabase;
  /** Ann's cookie, Ann's tokens and Bob's tokens. */
  let cookie: TestClient;
  let tokens: TestClient;
  let bob: TestClient;

  beforeAll(async () => {
    database = await createTestDatabase();
    for (const mode of MODES) nodes.set(mode, await startApp({ mode, database }));
    cookie = node('session').client();
    await cookie.signup();
    tokens = cookie.sibling({}, node('jwt').url);
    await tokens.login();
    bob = await signedIn(node('jwt'));
  });
  afterAll(async () => {
    await Promise.all([...nodes.values()].map((app) => app.close()));
    await database.drop();
  });

  const node = (mode: string): TestApp => nodes.get(mode)!;
  const send = (
    mode: string,
    headers: Record<string, string>,
    path = '/auth/me',
    method = 'GET',
    body?: object,
  ) => new TestClient(node(mode).url).send(method, path, { headers, body });
  const sid = (): string => `sid=${cookie.jar.get('sid')}`;
  const bearer = (client = tokens): string => `Bearer ${client.accessToken}`;
  /** All that is kept of credentials and sessions. */
  const kept = () =>
    node('jwt').rows(
      `SELECT s.id, s.ended_at, s.last_seen_at, c.strategy, c.counter, c.secret_hash, c.seed FROM sessions s JOIN credentials c ON c.session_id = s.id
       ORDER BY s.id, c.strategy`,
    );
  const outcome = ({ status, body }: Answer): (number | string)[] => [status, body?.code ?? 'ok'];

  test('each credential is accepted where its strategy is enabled, and nowhere else', async () => {
    for (const mode of MODES) {
      const has = (strategy: string) => mode.split(',').includes(strategy);
      expect((await send(mode, { cookie: sid() })).status).toBe(has('session') ? 200 : 401);
      expect((await send(mode, { authorization: bearer() })).status).toBe(has('jwt') ? 200 : 401);
    }
  });

  test('MC01 a session cookie in jwt mode is ignored on every route: no query, no row touched, no cookie cleared', async () => {
    const before = await kept();
    const statements = await statementsDuring(node('jwt'), async () => {
      for (const [method, path, body] of ROUTES) {
        const answer = await send(
          'jwt',
          { cookie: `${sid()}; CSRF-TOKEN=x`, origin: 'http://localhost:3000' },
          path,
          method,
          body,
        );
        expect([path, ...outcome(answer)]).toEqual([path, 401, 'credential_missing']);
        expect(answer.setCookies).toEqual([]);
      }
      const csrf = await send('jwt', { cookie: sid() }, '/auth/csrf');
      expect([csrf.body, csrf.setCookies]).toEqual([{ csrfToken: null }, []]);
    });
    expect(statements).toEqual([]);
    expect(await kept()).toEqual(before);
    // Nor does it bring CSRF along: the bearer token stands alone.
    const headers = { cookie: sid(), authorization: bearer(), origin: 'https://evil.example' };
    expect((await send('jwt', headers, '/auth/me', 'PATCH', { name: 'Ann' })).status).toBe(200);
  });

  test('MC02 tokens in session mode are ignored: 401, never 500 and never anybody; refresh is not there', async () => {
    const before = await kept();
    const statements = await statementsDuring(node('session'), async () => {
      for (const authorization of [bearer(), 'Bearer x.y.z', 'Bearer', 'Bearer lkr_x']) {
        for (const [method, path, body] of ROUTES) {
          const answer = await send(
            'session',
            { authorization, cookie: `rt=${tokens.refreshToken}` },
            path,
            method,
            body,
          );
          expect([path, ...outcome(answer)]).toEqual([path, 401, 'credential_missing']);
          expect(answer.setCookies).toEqual([]);
        }
      }
      const byToken = await send('session', {}, '/auth/logout', 'POST', {
        refreshToken: tokens.refreshToken,
      });
      expect(byToken.status).toBe(401);
      const refresh = await send('session', {}, '/auth/refresh', 'POST', {
        refreshToken: tokens.refreshToken,
      });
      expect(outcome(refresh)).toEqual([404, 'not_found']);
    });
    expect(statements).toEqual([]);
    expect(await kept()).toEqual(before);
    expect((await send('session', { authorization: 'Bearer x.y.z', cookie: sid() })).status).toBe(200);
  });

  test.each(['session,jwt', 'jwt,session'])(
    'MC03 %s: a cookie of one user and a token of another is 400, never a mix',
    async (mode) => {
      for (const [method, path, body] of ROUTES) {
        const headers = { cookie: sid(), authorization: bearer(bob), 'x-csrf-token': cookie.csrfToken ?? '' };
        const answer = await send(mode, headers, path, method, body);
        expect([path, ...outcome(answer), answer.setCookies]).toEqual([path, 400, 'credential_conflict', []]);
      }
      expect((await send(mode, { authorization: bearer(bob) })).status).toBe(200);
      expect((await send(mode, { cookie: sid() })).status).toBe(200);
    },
  );

  test.each(['session,jwt', 'jwt,session'])(
    '%s: two sessions of one user, and the primary speaks',
    async (mode) => {
      const headers = { cookie: sid(), authorization: bearer() };
      const { body } = await send(mode, headers, '/session');
      const [first] = mode.split(',');
      expect(body).toMatchObject({
        strategy: first,
        sessionId: first === 'jwt' ? tokens.sessionId : cookie.sessionId,
      });
    },
  );

  test.each(['session,jwt', 'jwt,session'])(
    'MC04 %s: a bad token beside a good cookie is 401; a bad cookie beside a good token is nothing',
    async (mode) => {
      for (const authorization of [
        'Bearer x.y.z',
        'Bearer',
        `${bearer()}x`,
        `Bearer ${tokens.refreshToken}`,
      ]) {
        for (const [method, path, body] of ROUTES) {
          const answer = await send(mode, { cookie: sid(), authorization }, path, method, body);
          expect([path, ...outcome(answer)]).toEqual([path, 401, 'credential_invalid']);
        }
      }
      const dead = cookie.sibling({}, node('session').url);
      await dead.login();
      await dead.copy().logout();
      for (const bad of [`sid=${dead.jar.get('sid')}`, 'sid=s%3Ax.y', 'sid=']) {
        expect((await send(mode, { cookie: bad, authorization: bearer() })).status).toBe(200);
        expect((await send(mode, { cookie: bad })).status).toBe(401);
      }
    },
  );

  test.each(['session,jwt', 'jwt,session'])(
    'MC06 %s: a logout with both ends both, and takes all cookies back',
    async (mode) => {
      const page = { origin: 'http://localhost:3000' };
      const client = node(mode).client(page);
      await client.signup();
      const second = mode === 'session,jwt' ? 'jwt' : 'session';
      // The cookies of both strategies end up in one browser.
      const other = client.sibling(page);
      await other.login({ strategy: second });
      for (const name of other.jar.names) client.jar.set(name, other.jar.get(name) ?? '');
      client.accessToken ??= other.accessToken;
      expect(client.jar.names.sort()).toEqual(['CSRF-TOKEN', 'rt', 'sid']);
      const before = client.copy();
      const answer = await client.post('/auth/logout', undefined, { headers: { 'x-csrf-token': undefined } });
      expect(answer.status).toBe(204);
      expect(client.jar.names).toEqual([]);
      for (const one of [
        await before.copy().me(),
        await send(mode, { cookie: before.jar.header ?? '' }),
        await before.copy().post('/auth/refresh'),
      ])
        expect(one.status).toBe(401);
    },
  );

  test('MC07 session, jwt, session: leftover cookies and tokens do no harm, and live on', async () => {
    const everything = {
      cookie: `${sid()}; CSRF-TOKEN=${cookie.jar.get('CSRF-TOKEN')}; rt=${tokens.refreshToken}`,
      authorization: bearer(),
    };
    for (const mode of ['session', 'jwt', 'session', 'session,jwt', 'jwt']) {
      expect((await send(mode, everything)).status).toBe(200);
      expect((await send(mode, everything, '/auth/sessions')).status).toBe(200);
      const only: Record<string, string> = mode === 'jwt' ? { authorization: bearer() } : { cookie: sid() };
      expect((await send(mode, only)).status).toBe(200);
    }
    const { cookie: _, ...withoutCookie } = everything;
    expect((await send('session', withoutCookie)).status).toBe(401);
    const { authorization: __, ...withoutToken } = everything;
    expect((await send('jwt', withoutToken)).status).toBe(401);
  });

  test.each(MODES)(
    'MC10 %s: a sign-in answers with what its strategy hands out, and nothing of another',
    async (mode) => {
      const [primary] = mode.split(',');
      const common = ['session', 'strategy', 'user'];
      const shapes = {
        session: [...common, 'csrfToken'],
        jwt: [...common, 'accessToken', 'expiresIn', 'refreshToken', 'tokenType'],
      };
      for (const strategy of [undefined, ...mode.split(',')]) {
        const client = cookie.sibling({}, node(mode).url);
        const answer = await client.login(strategy ? { strategy } : {});
        const issued = (strategy ?? primary) as keyof typeof shapes;
        expect(Object.keys(answer.body).sort()).toEqual(shapes[issued].toSorted());
        const all = answer.text + answer.setCookies.join();
        if (issued === 'session') expect(all).not.toMatch(/eyJ|lkr_|accessToken|refreshToken/);
        else expect(answer.setCookies).toEqual([]);
      }
      for (const strategy of ['session', 'jwt', 'Session', 'kerberos']) {
        if (mode.split(',').includes(strategy)) continue;
        const refused = await cookie.sibling({}, node(mode).url).login({ strategy });
        expect(outcome(refused)).toEqual([400, 'validation_failed']);
      }
      const page = cookie.sibling({ origin: 'http://localhost:3000' }, node(mode).url);
      await page.login();
      // CK15: no session cookie where sessions are no strategy.
      expect(page.jar.names.sort()).toEqual(primary === 'jwt' ? ['CSRF-TOKEN', 'rt'] : ['CSRF-TOKEN', 'sid']);
    },
  );

  test('MC12 what is public answers alike in every mode', async () => {
    for (const path of ['/.well-known/jwks.json', '/health/live', '/health/ready', '/auth/csrf']) {
      const answers = await Promise.all(MODES.map((mode) => send(mode, {}, path)));
      expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    }
    for (const mode of MODES) {
      const { body } = await send(mode, {}, '/auth/config');
      expect([body.mode, body.refresh]).toEqual([mode.split(','), mode.includes('jwt')]);
    }
  });
});

test.each(['Session', 'JWT', 'jwt session', 'cookie', 'jwt,jwt'])(
  'MC09 AUTH_MODE=%j does not start, and says what is allowed',
  (mode) => {
    const environment = { NODE_ENV: 'test', AUTH_MODE: mode, APP_SECRET: 'a'.repeat(64) };
    const load = () => loadConfig({ environment, directory: '/nowhere', strategyNames: ['session', 'jwt'] });
    expect(load).toThrow(ConfigError);
    try {
      load();
    } catch (error) {
      const [line] = error instanceof ConfigError ? error.problems : [];
      expect(line).toMatch(/^AUTH_MODE: .*session.*jwt/);
    }
  },
);

describe.each(JWT_MODES)('AUTH_MODE=%s: the account, with tokens', (mode) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp({ mode });
  });
  afterAll(() => app.close());

  const device = async (owner: TestClient, userAgent: string): Promise<TestClient> => {
    const client = owner.sibling({ userAgent });
    expect((await client.login({ strategy: 'jwt' })).status).toBe(200);
    return client;
  };

  test('my devices: listed with their strategy, one ended, others ended; refused from the next request', async () => {
    const laptop = await signedIn(app, { userAgent: 'laptop' });
    const [phone, tablet] = [await device(laptop, 'phone'), await device(laptop, 'tablet')];
    const { body } = await laptop.get('/auth/sessions');
    expect(body.sessions.slice(0, 3)).toMatchObject([
      { userAgent: 'tablet', strategies: ['jwt'], current: false },
      { userAgent: 'phone', strategies: ['jwt'], current: false },
      { userAgent: 'laptop', strategies: ['jwt'], current: true },
    ]);
    for (const client of [phone, tablet]) expect((await client.me()).status).toBe(200);
    expect((await laptop.send('DELETE', `/auth/sessions/${phone.sessionId}`)).status).toBe(204);
    expect((await phone.me()).body.code).toBe('credential_invalid');
    expect((await phone.refresh()).body.code).toBe('credential_invalid');
    expect((await tablet.me()).status).toBe(200);
    expect((await laptop.send('DELETE', '/auth/sessions')).status).toBe(204);
    expect((await tablet.me()).body.code).toBe('credential_invalid');
    expect((await laptop.me()).status).toBe(200);
    expect((await laptop.send('DELETE', `/auth/sessions/${laptop.sessionId}`)).status).toBe(204);
    expect((await laptop.me()).body.code).toBe('credential_invalid');
  });

  test('logout: the access token is refused from the next request, though it has minutes to live', async () => {
    const client = await signedIn(app);
    expect((await client.me()).status).toBe(200);
    expect((await client.logout()).status).toBe(204);
    for (const answer of [await client.me(), await client.logout(), await client.refresh()]) {
      expect([answer.status, answer.body.code]).toEqual([401, 'credential_invalid']);
    }
  });

  test('a password change ends the others at once; this session goes on with what it holds', async () => {
    const client = await signedIn(app);
    const other = await device(client, 'other');
    expect((await other.me()).status).toBe(200);
    const newPassword = 'another unlikely phrase 2';
    const wrong = await client.post('/auth/password', { currentPassword: `${PASSWORD}x`, newPassword });
    expect([wrong.status, wrong.body.code]).toEqual([403, 'password_incorrect']);
    expect((await client.post('/auth/password', { currentPassword: PASSWORD, newPassword })).status).toBe(
      204,
    );
    expect((await other.me()).body.code).toBe('credential_invalid');
    expect((await other.refresh()).body.code).toBe('credential_invalid');
    expect((await client.me()).status).toBe(200);
    await age(app, client);
    const { sessionId } = client;
    expect((await client.refresh()).body.session.id).toBe(sessionId);
    expect((await client.sibling().login()).status).toBe(401);
    expect((await client.sibling().login({ password: newPassword })).status).toBe(200);
  });

  test('a role change: the token of before is credential_expired, a refresh shows the new roles, no session ends', async () => {
    const client = await signedIn(app);
    expect((await client.me()).body.roles).toEqual(['user']);
    await app.rows(`UPDATE users SET roles = '{user,admin}' WHERE email = $1`, [client.email]);
    const before = client.copy();
    await eventually(async () => (await before.me()).status === 401);
    expect((await before.me()).body.code).toBe('credential_expired');
    const { body } = await client.refresh();
    expect(body.user.roles).toEqual(['user', 'admin']);
    expect((await client.me()).body.roles).toEqual(['user', 'admin']);
    expect(body.session.id).toBe(before.sessionId);
  });

  test('a new name shows at once and refuses nobody', async () => {
    const client = await signedIn(app);
    const other = await device(client, 'other');
    await other.me();
    expect((await client.send('PATCH', '/auth/me', { body: { name: 'Ann' } })).status).toBe(200);
    expect((await other.me()).body.name).toBe('Ann');
  });

  test.each([
    ['disabled', 'UPDATE users SET disabled_at = now() WHERE email = $1'],
    ['deleted', 'DELETE FROM users WHERE email = $1'],
  ])('a user who is %s in the database: every token is refused', async (_, sql) => {
    const client = await signedIn(app);
    expect((await client.me()).status).toBe(200);
    await app.rows(sql, [client.email]);
    await eventually(async () => (await client.me()).status === 401);
    for (const answer of [await client.me(), await client.refresh(), await client.logout()]) {
      expect([answer.status, answer.body.code]).toEqual([401, 'credential_invalid']);
    }
    expect((await client.sibling().login()).body.code).toBe('login_failed');
  });

  test('the idle and the absolute limit hold for access tokens too: credential_expired', async () => {
    for (const column of ['expires_at', 'idle_expires_at']) {
      const client = await signedIn(app);
      expect((await client.me()).status).toBe(200);
      await app.rows(`UPDATE sessions SET ${column} = now() WHERE id = $1`, [client.sessionId]);
      await eventually(async () => (await client.me()).status === 401);
      expect((await client.me()).body.code).toBe('credential_expired');
    }
  });
});
