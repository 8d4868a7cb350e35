import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { StrategyClasses } from '../../src/auth/auth.module.js';
import { EnabledStrategies } from '../../src/auth/enabled-strategies.js';
import { TestApp } from '../support/test-app.js';
import type { TestClient } from '../support/test-client.js';
import { forgeries, withCredential } from './credentials.js';

interface Options {
  readonly name: string;
  readonly strategies: StrategyClasses;
  readonly env: Readonly<Record<string, string>>;
}

/** Contract 5, rules 1 to 3: a strategy beside another one, and where it is not enabled. */
export function describeCompany({ name, strategies, env }: Options): void {
  const other = name === 'session' ? 'jwt' : 'session';

  describe.each([`${name},${other}`, `${other},${name}`])('in AUTH_MODE=%s', (mode) => {
    const [primary = ''] = mode.split(',');
    let app: TestApp;
    /** The one whose credential is a cookie, and the one whose credential is a token. */
    let cookie: string;
    let bearer: string;

    beforeAll(async () => {
      app = await TestApp.start({ mode, strategies, env });
      const all = app.get(EnabledStrategies).all;
      cookie = all.find(({ ambient }) => ambient)?.name ?? '';
      bearer = all.find(({ ambient }) => !ambient)?.name ?? '';
    });
    afterAll(() => app.close());

    async function signedIn(strategy: string, user = app.client()): Promise<TestClient> {
      const exists = user.sessionId !== undefined;
      if (!exists) expect((await user.signup()).status).toBe(201);
      const client = user.sibling();
      expect((await client.login({ strategy })).status).toBe(200);
      return client;
    }
    /** A client that sends the cookie of one and the token of the other. */
    function both(withCookie: TestClient, withToken: TestClient): TestClient {
      const client = withCookie.copy();
      client.accessToken = withToken.accessToken;
      return client;
    }

    test('each is accepted', async () => {
      const first = await signedIn(primary);
      for (const strategy of mode.split(',')) {
        const { body } = await (await signedIn(strategy, first)).get('/session');
        expect(body.strategy).toBe(strategy);
      }
    });

    test('an exchange hands it out for a running session: all who ask at once go on with it, until the logout', async () => {
      const client = await signedIn(other);
      const answers = await Promise.all(Array.from({ length: 5 }, () => client.copy().exchange(name)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      const holders = answers.map((answer) => client.holding(answer));
      for (const holder of holders) {
        const { body } = await holder.get('/session');
        expect([body.strategy, body.sessionId]).toEqual([name, client.sessionId]);
      }
      expect((await client.me()).status).toBe(200);
      expect((await holders[0]!.copy().logout()).status).toBe(204);
      for (const one of [client, ...holders]) expect((await one.copy().me()).status).toBe(401);
    });

    test('two good ones of one user: the primary is the principal, and logout ends both', async () => {
      const withCookie = await signedIn(cookie);
      const withToken = await signedIn(bearer, withCookie);
      const client = both(withCookie, withToken);
      const { body } = await client.get('/session');
      const expected = primary === cookie ? withCookie : withToken;
      expect([body.strategy, body.sessionId]).toEqual([primary, expected.sessionId]);
      expect((await client.logout()).status).toBe(204);
      expect((await withCookie.me()).status).toBe(401);
      expect((await withToken.me()).status).toBe(401);
    });

    test('MC03 two good ones of two users: 400, and nothing happens to either', async () => {
      const withCookie = await signedIn(cookie);
      const withToken = await signedIn(bearer);
      const client = both(withCookie, withToken);
      for (const answer of [
        await client.me(),
        await client.send('PATCH', '/auth/me', { body: { name: 'mixed' } }),
        await client.logout(),
      ]) {
        expect([answer.status, answer.body.code, answer.setCookies]).toEqual([
          400,
          'credential_conflict',
          [],
        ]);
      }
      for (const one of [withCookie, withToken]) expect((await one.me()).body.name).toBeNull();
    });

    test('MC04 a bad token is refused whatever cookie comes along', async () => {
      const withCookie = await signedIn(cookie);
      const withToken = await signedIn(bearer, withCookie);
      for (const forgery of forgeries(withToken, false)) {
        const client = withCredential(withCookie.copy(), withToken, forgery, false);
        expect([forgery, (await client.me()).status]).toEqual([forgery, 401]);
      }
      await withToken.copy().logout();
      expect((await both(withCookie, withToken).me()).body.code).toBe('credential_invalid');
      expect((await withCookie.me()).status).toBe(200);
    });

    test('MC04 a bad or dead cookie is no obstacle to a good token', async () => {
      const withCookie = await signedIn(cookie);
      const withToken = await signedIn(bearer, withCookie);
      const [forgery = ''] = forgeries(withCookie, true);
      const forged = withCredential(withToken.copy(), withCookie, forgery, true);
      expect((await forged.me()).status).toBe(200);
      await withCookie.copy().logout();
      const client = both(withCookie, withToken);
      expect((await client.get('/session')).body.strategy).toBe(bearer);
    });
  });

  describe(`where only ${other} is enabled`, () => {
    let app: TestApp;
    let without: TestApp;
    beforeAll(async () => {
      app = await TestApp.start({ mode: `${name},${other}`, strategies, env });
      without = await TestApp.start({ mode: other, strategies, env, database: app.database });
    });
    afterAll(async () => {
      await without.close();
      await app.close();
    });
    const rowsOf = async (client: TestClient): Promise<unknown> => [
      await app.rows('SELECT * FROM credentials WHERE session_id = $1', [client.sessionId]),
      await app.rows('SELECT * FROM sessions WHERE id = $1', [client.sessionId]),
    ];

    test('MC01 MC02 its credential is ignored: no query, no row touched, no cookie cleared', async () => {
      const client = app.client();
      await client.signup();
      const rows = await rowsOf(client);
      const there = client.copy(without.url);
      const queries = without.countQueries();
      for (const answer of [await there.me(), await there.logout()]) {
        expect([answer.status, answer.body.code, answer.setCookies]).toEqual([401, 'credential_missing', []]);
      }
      expect(queries.statements.filter((sql) => /\b(credentials|sessions)\b/.test(sql))).toEqual([]);
      queries.stop();
      expect(await rowsOf(client)).toEqual(rows);
      expect((await client.me()).status).toBe(200);
    });

    test('its credential is no obstacle to one that is enabled, and outlives the logout of that one', async () => {
      const client = app.client();
      await client.signup();
      const enabled = client.sibling({}, without.url);
      expect((await enabled.login()).status).toBe(200);
      const there = enabled.copy();
      for (const cookie of client.jar.names) there.jar.set(cookie, client.jar.get(cookie) ?? '');
      there.accessToken ??= client.accessToken;
      there.csrfToken = enabled.csrfToken;
      expect((await there.get('/session')).body).toMatchObject({
        strategy: other,
        sessionId: enabled.sessionId,
      });
      const logout = await there.logout();
      expect(logout.status).toBe(204);
      const own = client.jar.names.filter((cookie) => cookie !== 'CSRF-TOKEN');
      for (const cookie of own) expect(logout.setCookies.join('\n')).not.toContain(`${cookie}=;`);
      expect((await client.me()).status).toBe(200);
    });
  });
}
