import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { SessionActivity } from '../../src/sessions/session-activity.js';
import { type Outcome, latchkey } from '../support/command-line.js';
import { eventually } from '../support/processes.js';
import { openSession } from '../support/quick-sessions.js';
import { TestApp } from '../support/test-app.js';
import type { TestClient } from '../support/test-client.js';

jest.setTimeout(180_000);

const env = { THROTTLE: 'off', SESSION_MAX_PER_USER: '10000' };

/** A company on its way from cookies to tokens: two nodes, and a command beside them. */
describe('mode status and mode finish', () => {
  let app: TestApp;
  let node: TestApp;
  let directory: string;
  beforeAll(async () => {
    app = await TestApp.start({ mode: 'jwt,session', env });
    node = await TestApp.start({ mode: 'session,jwt', env, database: app.database });
    directory = await mkdtemp(join(tmpdir(), 'lk-mode-'));
  });
  afterAll(async () => {
    await node.close();
    await app.close();
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(async () => void (await app.rows('DELETE FROM users')));

  const run = (parameters: string, settings = {}): Promise<Outcome> =>
    latchkey(app, directory, parameters, settings);
  async function status(settings = {}) {
    const { code, out, err } = await run('mode status --json', settings);
    expect([code, err]).toEqual([0, '']);
    return JSON.parse(out);
  }
  async function signedIn(strategy: string): Promise<TestClient> {
    const client = app.client();
    await app.client().signup({ email: client.email });
    expect((await client.login({ strategy })).status).toBe(200);
    return client;
  }
  /** Ends what the sign-up itself has left. */
  const only = (...clients: TestClient[]) =>
    app.rows('DELETE FROM sessions WHERE id <> ALL($1::uuid[])', [clients.map(({ sessionId }) => sessionId)]);

  test('status counts live sessions by what they hold and when that was used, and says who would be signed out', async () => {
    const [cookie, tokens, both, disabled, expired] = [
      await signedIn('session'),
      await signedIn('jwt'),
      await signedIn('session'),
      await signedIn('session'),
      await signedIn('session'),
    ];
    await both.exchange('jwt');
    await only(cookie, tokens, both, disabled, expired);
    await app.rows('UPDATE users SET disabled_at = now() WHERE email = $1', [disabled.email]);
    await app.rows('UPDATE sessions SET idle_expires_at = now() WHERE id = $1', [expired.sessionId]);
    await app.rows(
      `UPDATE credentials SET last_used_at = now() - interval '2 days' WHERE session_id = $1 AND strategy = 'session'`,
      [both.sessionId],
    );
    const told = await status();
    expect(told).toMatchObject({
      mode: ['jwt', 'session'],
      primary: 'jwt',
      holdings: [
        { holds: ['jwt'], sessions: 1 },
        { holds: ['jwt', 'session'], sessions: 1 },
        { holds: ['session'], sessions: 1 },
      ],
      strategies: [
        {
          strategy: 'jwt',
          enabled: true,
          sessions: 2,
          usedWithin: { hour: 2, day: 2, week: 2 },
          finishingWouldSignOut: { sessions: 1, users: 1, emails: [tokens.email] },
        },
        {
          strategy: 'session',
          enabled: true,
          sessions: 2,
          usedWithin: { hour: 1, day: 1, week: 2 },
          finishingWouldSignOut: { sessions: 1, users: 1, emails: [cookie.email] },
        },
      ],
    });
    // A credential that nobody accepts here keeps nobody signed in.
    const alone = await status({ AUTH_MODE: 'session' });
    expect(alone).toMatchObject({
      primary: 'session',
      strategies: [{ strategy: 'jwt', enabled: false }, { finishingWouldSignOut: { sessions: 2, users: 2 } }],
    });
    const { out } = await run('mode status');
    expect(out).toMatch(/^AUTH_MODE=jwt,session here: jwt is the primary/);
    expect(out).toMatch(/^1 +jwt \+ session$/m);
    expect(out).toContain(`Finishing session now would sign out 1 session of 1 user: ${cookie.email}.`);
    expect((await run('mode status')).code).toBe(0);
  });

  test('the use of each credential is noted by itself, in a batch, however often the session is used by another', async () => {
    const client = await signedIn('session');
    await app.rows('UPDATE users SET name = $1', ['x']);
    const tokens = client.sibling();
    const answer = await client.copy().exchange('jwt');
    [tokens.accessToken, tokens.sessionId] = [answer.body.accessToken, client.sessionId];
    const long = `now() - interval '10 minutes'`;
    const used = async () =>
      Object.fromEntries(
        (
          await app.rows<{ strategy: string; recent: boolean }>(
            `SELECT strategy, last_used_at > now() - interval '1 minute' AS recent FROM credentials WHERE session_id = $1`,
            [client.sessionId],
          )
        ).map(({ strategy, recent }) => [strategy, recent]),
      );
    await app.rows(`UPDATE credentials SET last_used_at = ${long} WHERE session_id = $1`, [client.sessionId]);
    await app.rows(`UPDATE sessions SET last_seen_at = ${long} WHERE id = $1`, [client.sessionId]);
    expect((await tokens.copy(node.url).me()).status).toBe(200);
    await node.get(SessionActivity).flush();
    expect(await used()).toEqual({ session: false, jwt: true });
    // The session was seen just now; its cookie was not.
    expect((await client.copy(node.url).me()).status).toBe(200);
    await node.get(SessionActivity).flush();
    expect(await used()).toEqual({ session: true, jwt: true });
  });

  test('finish is refused while anybody would be signed out, for the primary, and for what nobody knows', async () => {
    const [cookie, tokens] = [await signedIn('session'), await signedIn('jwt')];
    await only(cookie, tokens);
    const refused = await run('mode finish session');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain(`would sign out 1 session of 1 user: ${cookie.email}`);
    const primary = await run('mode finish jwt');
    expect([primary.code, primary.err]).toEqual([1, expect.stringContaining('jwt is the primary')]);
    const unknown = await run('mode finish kerberos');
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('session, jwt')]);
    for (const client of [cookie, tokens]) expect((await client.me()).status).toBe(200);
  });

  test('finish withdraws from all who hold another one; nobody is signed out, and the value is dead on every node', async () => {
    const clients = [await signedIn('session'), await signedIn('session')];
    const before = clients.map((client) => client.copy());
    for (const client of clients) await client.exchange('jwt');
    await only(...clients);
    const done = await run('mode finish session --json');
    expect([done.code, JSON.parse(done.out)]).toEqual([0, { strategy: 'session', withdrawn: 2, ended: 0 }]);
    for (const client of clients) {
      for (const { url } of [app, node]) expect((await client.copy(url).me()).status).toBe(200);
    }
    for (const cookie of before)
      for (const { url } of [app, node])
        await eventually(async () => (await cookie.copy(url).me()).status === 401);
    const again = await run('mode finish session');
    expect([again.code, again.out]).toEqual([
      0,
      expect.stringContaining('from 0 sessions; nobody was signed out'),
    ]);
    expect((await status()).holdings).toEqual([{ holds: ['jwt'], sessions: 2 }]);
  });

  test('--force ends the sessions that hold nothing else, on all nodes, with their reason; and in batches', async () => {
    const tokens = await signedIn('jwt');
    const [{ id = '' } = {}] = await app.rows<{ id: string }>('SELECT id FROM users WHERE email = $1', [
      tokens.email,
    ]);
    await only(tokens);
    const quick: Awaited<ReturnType<typeof openSession>>[] = [];
    for (let i = 0; i < 4; i++) quick.push(await openSession(app, id, 'session'));
    // Enough for more than one batch.
    await app.rows(
      `INSERT INTO sessions (id, user_id, authenticated_at, factors, last_seen_at, idle_expires_at, expires_at)
       SELECT gen_random_uuid(), $1, now(), '{password}', now(), now() + interval '1 hour', now() + interval '1 hour'
       FROM generate_series(1, 600)`,
      [id],
    );
    await app.rows(
      `INSERT INTO credentials (session_id, strategy, seed)
       SELECT s.id, 'session', decode('00', 'hex') FROM sessions s WHERE NOT EXISTS (SELECT FROM credentials c WHERE c.session_id = s.id)`,
    );
    const ask = async (url: string, headers: Readonly<Record<string, string>>) =>
      (await fetch(`${url}/auth/me`, { headers })).status;
    for (const { headers } of quick)
      for (const { url } of [app, node]) expect(await ask(url, headers)).toBe(200);
    const done = await run('mode finish session --force');
    expect([done.code, done.out]).toEqual([
      0,
      expect.stringMatching(/from 604 sessions; ended the 604 that/),
    ]);
    expect(done.err.trim().split('\n')).toEqual(['500 withdrawn, 500 ended', '604 withdrawn, 604 ended']);
    for (const { headers } of quick)
      for (const { url } of [app, node]) await eventually(async () => (await ask(url, headers)) === 401);
    expect(await app.rows('SELECT DISTINCT ended_reason FROM sessions WHERE ended_at IS NOT NULL')).toEqual([
      { ended_reason: 'mode_finished' },
    ]);
    expect((await tokens.me()).status).toBe(200);
  });

  test('usage: 0 for help, 2 for what it does not understand', async () => {
    for (const line of ['mode --help', 'mode finish --help']) expect((await run(line)).code).toBe(0);
    for (const line of ['mode', 'mode finish', 'mode stats', 'mode finish session jwt', 'mode status --yaml'])
      expect([line, (await run(line)).code]).toEqual([line, 2]);
  });
});
