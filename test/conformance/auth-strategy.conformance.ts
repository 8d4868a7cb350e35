import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { StrategyClasses } from '../../src/auth/auth.module.js';
import { EnabledStrategies } from '../../src/auth/enabled-strategies.js';
import { STRATEGIES } from '../../src/auth/strategies/index.js';
import { TestApp } from '../support/test-app.js';
import { PASSWORD, type TestClient } from '../support/test-client.js';
import { AnswerRecorder } from './answer-recorder.js';
import { describeCompany } from './company.conformance.js';
import { forgeries, secretsOf, tracesOf, withCredential } from './credentials.js';
import { describeOutage } from './outage.conformance.js';
import { dumpOf, leastMilliseconds, passing } from './observations.js';

/** A strategy, and where its class is found. */
export interface StrategyUnderTest {
  /** Its name in `AUTH_MODE`. */
  readonly name: string;
  /** The strategies that `AUTH_MODE` may name, this one among them. Default: those of the project. */
  readonly strategies?: StrategyClasses;
  /** The `AUTH_MODE` that it is tried in alone. Default: its name. */
  readonly mode?: string;
}

/**
 * What every AuthStrategy must do, seen over HTTP: whoever plugs in another one runs this on it. Nothing here knows what the
 * credential is; a cookie and a bearer token are told apart by `ambient` alone.
 */
export function describeAuthStrategy({
  name,
  strategies = STRATEGIES,
  mode = name,
}: StrategyUnderTest): void {
  describe(`AuthStrategy "${name}"`, () => {
    const answers = new AnswerRecorder();
    const everySecret = new Set<string>();
    const env = { THROTTLE: 'off', SESSION_MAX_PER_USER: '40' };
    let app: TestApp;
    let ambient: boolean;

    beforeAll(async () => {
      answers.start();
      app = await TestApp.start({ mode, strategies, env });
      ambient = app.get(EnabledStrategies).find(name)?.ambient === true;
    });
    afterAll(async () => {
      answers.stop();
      await app.close();
    });

    const remember = (client: TestClient): TestClient => {
      for (const secret of secretsOf(client)) everySecret.add(secret);
      return client;
    };
    async function signedUp(): Promise<TestClient> {
      const client = app.client();
      expect((await client.signup()).status).toBe(201);
      return remember(client);
    }
    async function signedIn(user: TestClient): Promise<TestClient> {
      const client = user.sibling();
      expect((await client.login({ strategy: name })).status).toBe(200);
      return remember(client);
    }
    const statusAndCode = async (client: TestClient): Promise<unknown[]> => {
      const { status, body } = await client.me();
      return [status, body?.code];
    };

    test('a sign-in hands out a credential that works at once, on this node and on another', async () => {
      const client = await signedUp();
      const { status, body } = await client.get('/session');
      expect([status, body.strategy, body.sessionId]).toEqual([200, name, client.sessionId]);
      expect(secretsOf(client).length).toBeGreaterThan(0);
      const node = await TestApp.start({ mode, strategies, env, database: app.database });
      const fresh = await signedIn(client);
      expect((await fresh.copy(node.url).me()).status).toBe(200);
      await node.close();
    });

    test('looking a credential up costs one statement at most', async () => {
      const client = await signedUp();
      const queries = app.countQueries();
      expect((await client.me()).status).toBe(200);
      expect(queries.statements.filter((sql) => /\b(credentials|sessions)\b/.test(sql)).length).toBeLessThan(
        2,
      );
      queries.stop();
    });

    test('SF02 fixation: every sign-in draws a new credential, and never takes one that the client brought', async () => {
      const user = await signedUp();
      const credentials = [user];
      for (let i = 0; i < 3; i++) {
        const before = credentials.at(-1)!;
        const client = before.copy();
        expect((await client.login({ strategy: name })).status).toBe(200);
        expect((await client.me()).status).toBe(200);
        // A cookie is replaced, and its session with it; a bearer token belongs to a client that may be another one.
        expect((await before.me()).status).toBe(ambient ? 401 : 200);
        credentials.push(remember(client));
      }
      const values = credentials.flatMap(secretsOf);
      expect(new Set(values).size).toBe(values.length);

      const [planted = ''] = forgeries(user, ambient);
      const victim = withCredential(user.sibling(), user, planted, ambient);
      expect((await victim.login({ strategy: name })).status).toBe(200);
      expect(secretsOf(remember(victim))).not.toContain(planted);
      expect((await withCredential(user.sibling(), user, planted, ambient).me()).status).toBe(401);
    });

    test('SF03 a sign-in as somebody else carries nothing over', async () => {
      const [first, second] = [await signedUp(), await signedUp()];
      const client = first.copy();
      client.email = second.email;
      expect((await client.login({ strategy: name })).body.user.email).toBe(second.email);
      expect((await remember(client).me()).body.email).toBe(second.email);
      expect((await first.me()).status).toBe(ambient ? 401 : 200);
    });

    test('logout: dead at once wherever it was copied to, and a second one is 401', async () => {
      const client = await signedUp();
      const stolen = client.copy();
      const other = await signedIn(client);
      expect((await client.logout()).status).toBe(204);
      expect(await statusAndCode(stolen)).toEqual([401, 'credential_invalid']);
      expect((await stolen.logout()).status).toBe(401);
      expect((await other.me()).status).toBe(200);
    });

    test('SF09 logout takes back what it was sent: the same cookies, expired', async () => {
      const client = await signedUp();
      const sent = client.jar.names;
      await client.logout();
      expect(client.jar.names).toEqual([]);
      expect(sent.length > 0).toBe(ambient);
    });

    test('ending all others, a password change, disabling and deleting reach every credential', async () => {
      const user = await signedUp();
      const [first, second] = [await signedIn(user), await signedIn(user)];
      expect((await user.send('DELETE', '/auth/sessions')).status).toBe(204);
      for (const ended of [first, second]) expect((await ended.me()).status).toBe(401);
      expect((await user.me()).status).toBe(200);

      const third = await signedIn(user);
      const newPassword = 'a password that nobody has 7';
      const change = await user.post('/auth/password', { currentPassword: PASSWORD, newPassword });
      expect(change.status).toBe(204);
      remember(user);
      expect((await third.me()).status).toBe(401);
      expect((await user.me()).status).toBe(200);

      await app.rows('UPDATE users SET disabled_at = now() WHERE email = $1', [user.email]);
      await passing(async () => (await user.me()).status === 401);
      await app.rows('UPDATE users SET disabled_at = NULL WHERE email = $1', [user.email]);
      await passing(async () => (await user.me()).status === 200);
      await app.rows('DELETE FROM users WHERE email = $1', [user.email]);
      await passing(async () => (await user.me()).status === 401);
    });

    test('a change of roles shows, or sends the client to get a new credential', async () => {
      const client = await signedUp();
      expect((await client.me()).body.roles).toEqual(['user']);
      await app.rows(`UPDATE users SET roles = '{user,auditor}' WHERE email = $1`, [client.email]);
      await passing(async () => {
        const { body } = await client.me();
        return body.code === 'credential_expired' || body.roles?.includes('auditor');
      });
    });

    test('concurrency: twenty sign-ins at once are twenty sessions with twenty credentials, all good', async () => {
      const user = await signedUp();
      const clients = await Promise.all(Array.from({ length: 20 }, () => signedIn(user)));
      expect(new Set(clients.map(({ sessionId }) => sessionId)).size).toBe(20);
      const values = clients.flatMap(secretsOf);
      expect(new Set(values).size).toBe(values.length);
      const answered = await Promise.all(clients.map((client) => client.me()));
      expect(answered.every(({ status }) => status === 200)).toBe(true);
    });

    test('RC05 concurrency: requests that run beside a logout do not bring the session back', async () => {
      const client = await signedUp();
      const copies = Array.from({ length: 20 }, () => client.copy());
      const requests = copies.map((copy, i) =>
        i % 2 ? copy.me() : copy.send('PATCH', '/auth/me', { body: { name: 'x' } }),
      );
      const [logout, ...rest] = await Promise.all([client.copy().logout(), ...requests]);
      expect(logout.status).toBe(204);
      for (const { status } of rest) expect([200, 401]).toContain(status);
      for (const copy of copies) expect((await copy.me()).status).toBe(401);
    });

    test.each(['expires_at', 'idle_expires_at'])(
      'expiry: past %s it is credential_expired, for good',
      async (end) => {
        const client = await signedUp();
        await app.rows(`UPDATE sessions SET ${end} = now() - interval '1 second' WHERE id = $1`, [
          client.sessionId,
        ]);
        await passing(async () => (await client.me()).status === 401);
        expect(await statusAndCode(client)).toEqual([401, 'credential_expired']);
        expect(await statusAndCode(client)).toEqual([401, 'credential_expired']);
        const [row] = await app.rows<{ over: boolean }>(
          `SELECT ${end} < now() AS over FROM sessions WHERE id = $1`,
          [client.sessionId],
        );
        expect(row?.over).toBe(true);
      },
    );

    test('none is credential_missing, any other string than the one handed out is credential_invalid', async () => {
      const client = await signedUp();
      expect(await statusAndCode(client.sibling())).toEqual([401, 'credential_missing']);
      const tried = forgeries(client, ambient);
      expect(tried.length).toBeGreaterThan(4);
      for (const forgery of tried) {
        const forger = withCredential(client.sibling(), client, forgery, ambient);
        expect([forgery, ...(await statusAndCode(forger))]).toEqual([forgery, 401, 'credential_invalid']);
      }
      expect((await client.me()).status).toBe(200);
    });

    test('public routes never look a credential up', async () => {
      const client = await signedUp();
      const queries = app.countQueries();
      for (const path of ['/auth/config', '/health/live', '/.well-known/jwks.json']) {
        expect((await client.get(path)).status).toBe(200);
      }
      expect((await client.copy().login({ password: 'not the password at all' })).status).toBe(401);
      expect(queries.statements.filter((sql) => /\b(credentials|sessions)\b/.test(sql))).toEqual([]);
      queries.stop();
    });

    test('CSRF is asked of what a browser sends unasked, and of nothing else', async () => {
      const client = await signedUp();
      const headers = { 'sec-fetch-site': 'cross-site', 'x-csrf-token': undefined };
      const { status } = await client.send('PATCH', '/auth/me', { body: { name: 'x' }, headers });
      expect(status).toBe(ambient ? 403 : 200);
    });

    test('EN02 an unknown email costs the time of a wrong password', async () => {
      const user = await signedUp();
      const attempt = (email: string) => async (): Promise<void> => {
        const client = user.sibling();
        client.email = email;
        expect((await client.login({ password: 'not the password at all' })).status).toBe(401);
      };
      const [known, unknown] = await leastMilliseconds(7, attempt(user.email), attempt('nobody@example.com'));
      // Without a hash it would be a twentieth.
      expect(unknown).toBeGreaterThan(known / 2);
    });

    describeCompany({ name, strategies, env });
    describeOutage({ mode, strategies, env });

    describe('after all of this', () => {
      test('SF12 the database holds nothing that could be used as a credential', async () => {
        const dump = await dumpOf(app);
        expect(dump).toContain('@example.com');
        expect(everySecret.size).toBeGreaterThan(30);
        for (const trace of [...everySecret].flatMap(tracesOf)) expect(dump).not.toContain(trace);
      });

      test('EL06 the log holds no password and no credential', () => {
        const log = app.log.join('');
        expect(log).toContain('session_started');
        for (const secret of [PASSWORD, ...everySecret]) expect(log).not.toContain(secret);
      });

      test('CK13 no answer but a success has set a cookie', () => {
        expect(answers.all.length).toBeGreaterThan(100);
        expect(answers.settingCookies(({ status }) => status >= 300)).toEqual([]);
      });
    });
  });
}
