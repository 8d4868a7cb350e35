import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { STRATEGIES } from '../../src/auth/strategies/index.js';
import { dumpOf } from '../conformance/observations.js';
import { secretsOf, tracesOf } from '../conformance/credentials.js';
import { OpaqueStrategy } from '../examples/opaque.strategy.js';
import { age } from '../jwt/support/jwt-app.js';
import { parseSetCookie } from '../support/cookie-jar.js';
import { eventually } from '../support/processes.js';
import { MODES, TEST_SECRET, TestApp } from '../support/test-app.js';
import { type Answer, PASSWORD, type TestClient } from '../support/test-client.js';

const PAGE = 'http://localhost:3000';
const strategies = { ...STRATEGIES, opaque: OpaqueStrategy };
const env = { THROTTLE: 'off', SESSION_MAX_PER_USER: '1000' };
const TWO = ['session,jwt', 'jwt,session', 'session,opaque', 'opaque,session', 'jwt,opaque', 'opaque,jwt'];

const outcome = ({ status, body }: Answer): (number | string)[] => [status, body?.code ?? 'ok'];
const setBy = ({ setCookies }: Answer): string[] =>
  setCookies.map((line) => parseSetCookie(line).name).sort();
const refused = ({ status, body, setCookies }: Answer): unknown[] => [status, body?.code, setCookies];
const REFUSED_FIELD = [400, 'validation_failed', []];

async function signedIn(app: TestApp, strategy: string, origin?: string): Promise<TestClient> {
  const client = app.client(origin === undefined ? {} : { origin });
  expect((await app.client().signup({ email: client.email })).status).toBe(201);
  expect((await client.login({ strategy })).status).toBe(200);
  return client;
}

describe.each(TWO)('AUTH_MODE=%s', (mode) => {
  const [first = '', second = ''] = mode.split(',');
  let app: TestApp;
  let node: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env, strategies });
    node = await TestApp.start({ mode: `${second},${first}`, env, strategies, database: app.database });
  });
  afterAll(async () => {
    await node.close();
    await app.close();
  });
  const other = (strategy: string): string => (strategy === first ? second : first);
  const events = (client: TestClient) =>
    [...app.events, ...node.events].filter(
      (event) => event.type === 'session_exchanged' && event.sessionId === client.sessionId,
    );

  test.each([first, second])(
    'out of %s: another credential of the same session, on every node, and the old one stays',
    async (from) => {
      const to = other(from);
      const client = await signedIn(app, from);
      const [before] = await app.rows('SELECT * FROM sessions WHERE id = $1', [client.sessionId]);
      const answer = await client.copy().exchange(to);
      expect([outcome(answer), answer.body.strategy, answer.body.session.id]).toEqual([
        [200, 'ok'],
        to,
        client.sessionId,
      ]);
      const holder = client.holding(answer, node.url);
      const shown = await holder.get('/session');
      expect(shown.body).toMatchObject({ strategy: to, sessionId: client.sessionId, email: client.email });
      expect((await client.copy().me()).status).toBe(200);

      // One device, the same limits and factors, and both credentials in the list.
      const { body: list } = await holder.get('/auth/sessions');
      const [entry] = list.sessions.filter(({ id }: { id: string }) => id === client.sessionId);
      expect(entry).toMatchObject({ current: true, strategies: [from, to] });
      const [after] = await app.rows('SELECT * FROM sessions WHERE id = $1', [client.sessionId]);
      expect(after).toEqual(before);
      expect(events(client)).toMatchObject([{ from, to, address: '127.0.0.1', userAgent: 'latchkey-tests' }]);

      // The same again is told the same: nothing has rotated, and nothing has been drawn.
      const again = client.holding(await client.copy(node.url).exchange(to));
      expect([again.jar.get('sid'), again.refreshToken, again.jar.get('rt')]).toEqual([
        holder.jar.get('sid'),
        holder.refreshToken,
        holder.jar.get('rt'),
      ]);
      if (to === 'opaque') expect(again.accessToken).toBe(holder.accessToken);

      // Any of them ends all.
      expect((await holder.copy().logout()).status).toBe(204);
      for (const one of [client, again, holder])
        await eventually(async () => (await one.copy().me()).status === 401);
    },
  );

  test('there and back, and there again: the session goes on, and the credentials with it', async () => {
    let client = await signedIn(app, first);
    const { sessionId } = client;
    for (const to of [second, first, second, first]) {
      const answer = await client.exchange(to);
      expect([outcome(answer), answer.body.session.id]).toEqual([[200, 'ok'], sessionId]);
      client = client.holding(answer, client.url === app.url ? node.url : app.url);
      expect((await client.get('/session')).body).toMatchObject({ strategy: to, sessionId });
    }
    expect(
      await app.rows('SELECT id FROM sessions WHERE id = $1 AND ended_at IS NULL', [sessionId]),
    ).toHaveLength(1);
  });

  test('unknown, not enabled, the same: 400 with the field; an access token alone: 403; nothing is written', async () => {
    const known = Object.keys(strategies).filter((name) => !mode.split(',').includes(name));
    for (const from of mode.split(',')) {
      const client = await signedIn(app, from);
      for (const strategy of [...known, from, 'kerberos', 'Session', '', '__proto__']) {
        const answer = await client.exchange(strategy);
        expect([strategy, ...refused(answer)]).toEqual([strategy, ...REFUSED_FIELD]);
        expect(answer.body.errors.map(({ path }: { path: string }) => path)).toEqual(['strategy']);
      }
      for (const body of [
        {},
        { strategy: 5 },
        { strategy: other(from), refreshTransport: 'body' },
        { strategy: other(from), refreshToken: 5 },
        { strategy: other(from), sessionId: client.sessionId },
      ]) {
        expect(refused(await client.post('/auth/exchange', body))).toEqual(REFUSED_FIELD);
      }
      if (from === 'jwt') {
        const bearer = client.copy();
        bearer.refreshToken = undefined;
        const answer = await bearer.exchange(other(from));
        expect(refused(answer)).toEqual([403, 'forbidden', []]);
        expect(answer.body.detail).toContain('refreshToken');
      }
      expect(
        await app.rows('SELECT strategy FROM credentials WHERE session_id = $1', [client.sessionId]),
      ).toEqual([{ strategy: from }]);
      expect(events(client)).toEqual([]);
    }
  });

  test('without a credential, with a dead one, past a limit: 401, and nothing is set', async () => {
    expect(refused(await app.client().exchange(second))).toEqual([401, 'credential_missing', []]);
    for (const from of mode.split(',')) {
      const client = await signedIn(app, from);
      await client.copy().logout();
      expect(refused(await client.exchange(other(from)))).toEqual([401, 'credential_invalid', []]);
      const late = await signedIn(app, from);
      await app.rows('UPDATE sessions SET expires_at = now() WHERE id = $1', [late.sessionId]);
      await eventually(async () => (await late.me()).status === 401);
      expect(refused(await late.exchange(other(from)))).toEqual([401, 'credential_expired', []]);
    }
  });

  test('what is handed out ends with the session: no access token and no cookie outlives it', async () => {
    for (const from of mode.split(',')) {
      const client = app.client({ origin: PAGE });
      await app.client().signup({ email: client.email });
      await client.login({ strategy: from, remember: true });
      await app.rows(`UPDATE sessions SET expires_at = now() + interval '90 seconds' WHERE id = $1`, [
        client.sessionId,
      ]);
      const answer = await client.exchange(other(from));
      expect(outcome(answer)).toEqual([200, 'ok']);
      if (answer.body.expiresIn !== undefined) expect(answer.body.expiresIn).toBeLessThanOrEqual(90);
      for (const { attributes } of answer.setCookies.map(parseSetCookie)) {
        expect(Number(attributes['max-age'])).toBeGreaterThan(0);
        expect(Number(attributes['max-age'])).toBeLessThanOrEqual(90);
      }
    }
  });

  test('a password change kills what was derived, and the next exchange hands out another', async () => {
    const client = await signedIn(app, first, PAGE);
    const answer = await client.copy().exchange(second);
    const derived = client.holding(answer);
    // Only the cookies of the one who changes it are replaced.
    expect((await derived.me()).status).toBe(200);
    const change = await client.post('/auth/password', {
      currentPassword: PASSWORD,
      newPassword: 'another unlikely phrase 2',
    });
    expect(change.status).toBe(204);
    if (second === 'session') await eventually(async () => (await derived.copy().me()).status === 401);
    const next = client.holding(await client.copy().exchange(second));
    expect((await next.me()).status).toBe(200);
    if (second === 'session') expect(next.jar.get('sid')).not.toBe(derived.jar.get('sid'));
  });

  test('MC03 two credentials of two users: 400 and nothing handed out', async () => {
    const [mine, theirs] = [await signedIn(app, first), await signedIn(app, second)];
    if (mine.accessToken && theirs.accessToken) return;
    const mixed = mine.copy();
    mixed.accessToken ??= theirs.accessToken;
    for (const name of theirs.jar.names) mixed.jar.set(name, theirs.jar.get(name) ?? '');
    for (const strategy of mode.split(','))
      expect(refused(await mixed.exchange(strategy))).toEqual([400, 'credential_conflict', []]);
  });

  test('SF12 EL06 neither the database nor a log holds what was handed out', async () => {
    const secrets: string[] = [];
    for (const from of mode.split(',')) {
      const client = await signedIn(app, from);
      secrets.push(...secretsOf(client.holding(await client.exchange(other(from)))));
    }
    expect(secrets.length).toBeGreaterThan(1);
    const dump = await dumpOf(app);
    for (const trace of secrets.flatMap(tracesOf)) expect(dump).not.toContain(trace);
    for (const secret of secrets) expect([...app.log, ...node.log].join('')).not.toContain(secret);
  });
});

describe('session and jwt', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode: 'session,jwt', env });
  });
  afterAll(() => app.close());
  const rtOf = (client: TestClient): string | undefined => client.jar.get('rt');

  test('out of a cookie the refresh token goes into a cookie, for whomever, and never into the body', async () => {
    for (const origin of [undefined, PAGE]) {
      for (const fields of [{}, { refreshTransport: 'cookie' }]) {
        const client = await signedIn(app, 'session', origin);
        const answer = await client.exchange('jwt', fields);
        expect(Object.keys(answer.body).sort()).toEqual(
          ['accessToken', 'csrfToken', 'expiresIn', 'session', 'strategy', 'tokenType', 'user'].sort(),
        );
        expect(setBy(answer)).toEqual(['CSRF-TOKEN', 'rt']);
        await age(app, client);
        expect((await client.refresh()).status).toBe(200);
      }
    }
  });

  test('out of a refresh token in the body comes a cookie, and the body has no token', async () => {
    const client = await signedIn(app, 'jwt');
    const answer = await client.exchange('session');
    expect(Object.keys(answer.body).sort()).toEqual(['csrfToken', 'session', 'strategy', 'user']);
    expect(setBy(answer)).toEqual(['CSRF-TOKEN', 'sid']);
    expect(answer.text + answer.setCookies.join()).not.toMatch(/eyJ|lkr_/);
  });

  test('the refresh token is judged as by refresh, and not rotated', async () => {
    const client = await signedIn(app, 'jwt');
    const held = client.refreshToken;
    const row = () =>
      app.rows('SELECT counter, rotated_at FROM credentials WHERE session_id = $1 AND strategy = $2', [
        client.sessionId,
        'jwt',
      ]);
    const before = await row();
    // Without an access token it suffices too; so does a cookie.
    const alone = client.copy();
    alone.accessToken = undefined;
    expect((await alone.exchange('session')).status).toBe(200);
    expect(await row()).toEqual(before);

    for (const refreshToken of ['lkr_x', `${held}x`, held?.toUpperCase(), 'eyJ.a.b', '']) {
      const answer = await client.copy().post('/auth/exchange', { strategy: 'session', refreshToken });
      expect([refreshToken, ...refused(answer)]).toEqual([refreshToken, 401, 'credential_invalid', []]);
    }
    const stranger = await signedIn(app, 'jwt');
    const foreign = { strategy: 'session', refreshToken: stranger.refreshToken };
    expect(refused(await client.copy().post('/auth/exchange', foreign))).toEqual([
      400,
      'credential_conflict',
      [],
    ]);
    const device = client.sibling();
    await device.login({ strategy: 'jwt' });
    const elsewhere = { strategy: 'session', refreshToken: device.refreshToken };
    expect(refused(await client.copy().post('/auth/exchange', elsewhere))).toEqual([403, 'forbidden', []]);

    // The predecessor is good for the grace, as by refresh; after that it is a theft, and ends the session once.
    await age(app, client);
    expect((await client.refresh()).status).toBe(200);
    const predecessor = client.copy();
    predecessor.refreshToken = held;
    expect((await predecessor.copy().exchange('session')).status).toBe(200);
    await age(app, client);
    for (const code of ['refresh_reused', 'credential_invalid']) {
      const thief = predecessor.copy();
      thief.accessToken = undefined;
      expect(refused(await thief.exchange('session'))).toEqual([401, code, []]);
    }
    expect((await client.me()).status).toBe(401);
    const ended = app.events
      .filter((event) => 'sessionId' in event && event.sessionId === client.sessionId)
      .map(({ type }) => type);
    expect(ended.filter((type) => type === 'refresh_reused' || type === 'session_ended')).toEqual([
      'session_ended',
      'refresh_reused',
    ]);
  });

  test('a theft is not found out across sites: a page of another origin is refused before the token is judged', async () => {
    const client = await signedIn(app, 'jwt', PAGE);
    const stale = client.copy();
    await age(app, client);
    await client.refresh();
    await age(app, client);
    const cross = { authorization: undefined, origin: 'https://evil.example', 'x-csrf-token': undefined };
    const answer = await stale.post('/auth/exchange', { strategy: 'session' }, { headers: cross });
    expect(refused(answer)).toEqual([403, 'origin_not_allowed', []]);
    expect((await client.me()).status).toBe(200);
  });

  test.each(['session', 'jwt'])('CSRF is asked of the %s cookie, as anywhere', async (from) => {
    const client = await signedIn(app, from, PAGE);
    const body = { strategy: from === 'jwt' ? 'session' : 'jwt' };
    const send = (headers: Record<string, string | undefined>) =>
      client.copy().post('/auth/exchange', body, {
        headers: { authorization: undefined, origin: undefined, 'sec-fetch-site': undefined, ...headers },
      });
    expect(refused(await send({ 'x-csrf-token': undefined }))).toEqual([403, 'csrf_failed', []]);
    expect(refused(await send({ 'x-csrf-token': 'x' }))).toEqual([403, 'csrf_failed', []]);
    expect(refused(await send({ origin: 'https://evil.example' }))).toEqual([403, 'origin_not_allowed', []]);
    expect(refused(await send({ 'sec-fetch-site': 'cross-site', 'x-csrf-token': undefined }))).toEqual([
      403,
      'csrf_failed',
      [],
    ]);
    // An Authorization header beside the cookie does not switch it off.
    const { accessToken } = await signedIn(app, 'jwt');
    expect((await send({ authorization: `Bearer ${accessToken}`, 'x-csrf-token': undefined })).status).toBe(
      400,
    );
    expect(refused(await send({ authorization: 'Bearer x.y.z' }))).toEqual([401, 'credential_invalid', []]);
    expect((await send({})).status).toBe(200);
  });

  test('leftover cookies of a mode that is over are no obstacle', async () => {
    const client = await signedIn(app, 'session', PAGE);
    const dead = client.sibling({ origin: PAGE });
    await dead.login({ strategy: 'jwt' });
    await dead.copy().logout();
    client.jar.set('rt', rtOf(dead) ?? '');
    expect((await client.exchange('jwt')).status).toBe(200);

    const tokens = await signedIn(app, 'jwt', PAGE);
    tokens.jar.set('sid', 's%3Ax.y');
    expect((await tokens.exchange('session')).status).toBe(200);
    expect((await tokens.me()).status).toBe(200);
  });

  test('whoever shows both may ask for either, and a cookie of another session is replaced with its session', async () => {
    const client = await signedIn(app, 'session', PAGE);
    expect((await client.exchange('jwt')).status).toBe(200);
    for (const strategy of ['session', 'jwt']) {
      const answer = await client.exchange(strategy);
      expect([...outcome(answer), answer.body.session.id]).toEqual([200, 'ok', client.sessionId]);
    }
    expect((await client.me()).status).toBe(200);

    const second = client.sibling({ origin: PAGE });
    await second.login({ strategy: 'jwt' });
    const mixed = (await signedIn(app, 'session', PAGE)).sibling({ origin: PAGE });
    mixed.email = client.email;
    await mixed.login({ strategy: 'session' });
    mixed.jar.set('rt', rtOf(second) ?? '');
    // The token is of one session, and two cookies came: a page of our own needs none.
    mixed.csrfToken = undefined;
    const answer = await mixed.exchange('jwt');
    expect([answer.status, answer.body.session.id]).toEqual([200, mixed.sessionId]);
    expect((await second.copy().me()).status).toBe(401);
  });

  test('a value that was drawn at sign-in is replaced once, and then it stays', async () => {
    const client = await signedIn(app, 'session');
    const tokens = client.holding(await client.copy().exchange('jwt'));
    const back = [await tokens.copy().exchange('session'), await tokens.copy().exchange('session')].map(
      (answer) => client.holding(answer),
    );
    expect(back[0]?.jar.get('sid')).toBe(back[1]?.jar.get('sid'));
    expect(back[0]?.jar.get('sid')).not.toBe(client.jar.get('sid'));
    expect((await client.copy().me()).status).toBe(401);
    for (const one of back) expect((await one.me()).status).toBe(200);
  });

  test('KR02 while APP_SECRET rotates, nodes in any order of it are told the same value', async () => {
    const fresh = randomBytes(32).toString('base64url');
    const lists = [`${TEST_SECRET},${fresh}`, `${fresh},${TEST_SECRET}`];
    const nodes: TestApp[] = [];
    for (const APP_SECRET of lists)
      nodes.push(
        await TestApp.start({ mode: 'session,jwt', env: { ...env, APP_SECRET }, database: app.database }),
      );
    for (const from of ['session', 'jwt']) {
      const to = from === 'jwt' ? 'session' : 'jwt';
      for (const order of [nodes, nodes.toReversed()]) {
        const client = await signedIn(app, from);
        const holders: TestClient[] = [];
        for (const { url } of order) holders.push(client.holding(await client.copy(url).exchange(to)));
        // The cookie's signature is each node's own; the id under it is one.
        const values = holders.map((one) => (one.jar.get('sid') ?? one.jar.get('rt'))?.split('.')[0]);
        expect(new Set(values).size).toBe(1);
        for (const holder of holders)
          for (const { url } of nodes) expect((await holder.copy(url).me()).status).toBe(200);
      }
    }
    // When the secret is gone that made it, there is a new one, and not a 500.
    const client = await signedIn(app, 'jwt');
    const old = client.holding(await client.exchange('session'));
    const done = await TestApp.start({
      mode: 'session,jwt',
      env: { ...env, APP_SECRET: fresh },
      database: app.database,
    });
    const login = client.sibling({}, done.url);
    await login.login({ strategy: 'jwt' });
    await app.rows('UPDATE credentials SET session_id = $2 WHERE session_id = $1 AND strategy = $3', [
      old.sessionId,
      login.sessionId,
      'session',
    ]);
    const answer = await login.exchange('session');
    expect(outcome(answer)).toEqual([200, 'ok']);
    expect((await login.holding(answer).me()).status).toBe(200);
    for (const each of [done, ...nodes]) await each.close();
  });
});

describe.each(MODES)('AUTH_MODE=%s', (mode) => {
  test('the route is there, and names what there is to exchange for', async () => {
    const app = await TestApp.start({ mode, env });
    const client = app.client();
    await client.signup();
    const answer = await client.exchange(mode.startsWith('session') ? 'session' : 'jwt');
    expect(refused(answer)).toEqual(REFUSED_FIELD);
    const { paths } = (await app.client().get('/openapi.json')).body;
    expect(Object.keys(paths['/auth/exchange'])).toEqual(['post']);
    await app.close();
  });
});
