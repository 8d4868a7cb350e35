import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type WireHeaders, wire } from '../session/support/wire.js';
import { eventually } from '../support/processes.js';
import { TestApp } from '../support/test-app.js';
import { TestClient } from '../support/test-client.js';
import { GATEWAYS, GatewayProcess, findGateway } from './gateway-process.js';
import { type Received, Upstream } from './upstream.js';

const ORIGIN = 'https://app.example.com';
const SPOOFED = {
  'x-auth-user-id': 'spoofed',
  'x-auth-session-id': 'spoofed',
  'x-auth-roles': 'spoofed,admin',
  'x-auth-strategy': 'spoofed',
  'x-auth-token': 'spoofed',
  // CGI, WSGI and PHP take it for the same.
  x_auth_token: 'spoofed',
};
/** What may never reach the application: whoever has it could act as the user everywhere. */
const CREDENTIALS = ['cookie', 'authorization', 'x-csrf-token'];

const installed = GATEWAYS.map((name) => ({ name, program: findGateway(name) }));
for (const { name, program } of installed) {
  if (program === null)
    console.warn(`${name} is not installed (apt-get install ${name}): its configuration is not tried`);
}

/** Production, since that is where the rules are strictest. */
for (const { name, program } of installed) {
  (program === null ? describe.skip : describe)(`deploy/gateway, a real ${name}`, () => {
    let app: TestApp;
    let upstream: Upstream;
    let gateway: GatewayProcess;
    let browser: TestClient;
    let native: TestClient;

    beforeAll(async () => {
      app = await TestApp.start({
        mode: 'session,jwt',
        env: { NODE_ENV: 'production', PORT: '3000', PUBLIC_ORIGIN: ORIGIN, TRUST_PROXY: '127.0.0.1' },
      });
      upstream = await Upstream.start({
        jwks: `${app.url}/.well-known/jwks.json`,
        issuer: ORIGIN,
        audience: `${ORIGIN}/internal`,
      });
      const latchkey = Number(new URL(app.url).port);
      gateway = await GatewayProcess.start(name, program ?? '', { latchkey, app: upstream.port });
      // Both sign in through the gateway, as everybody outside has to.
      browser = new TestClient(gateway.url, { origin: ORIGIN });
      expect((await browser.signup()).status).toBe(201);
      native = browser.sibling({});
      expect((await native.login({ strategy: 'jwt' })).status).toBe(200);
    }, 60_000);
    afterAll(async () => {
      await gateway?.stop();
      await upstream?.stop();
      await app?.close();
    });

    /** A request through the gateway, and what of it has reached the application. */
    async function through(
      client: { readonly credentials: WireHeaders },
      method: string,
      headers: WireHeaders = {},
      body?: unknown,
    ) {
      const before = upstream.received.length;
      const answer = await wire(gateway.url, method, '/invoices/7?page=2', {
        headers: { host: 'app.example.com', ...client.credentials, ...headers },
        body,
      });
      return { ...answer, received: upstream.received.slice(before) };
    }
    const cookieOnly = () => {
      const { 'x-csrf-token': _token, ...credentials } = browser.credentials;
      return { credentials };
    };
    function expectNoCredentials(received: readonly Received[]): void {
      for (const { headers } of received) {
        for (const header of CREDENTIALS) expect([header, headers[header]]).toEqual([header, undefined]);
      }
    }

    test('a cookie client and a bearer client reach the same application, which sees a token and no credential', async () => {
      for (const [client, strategy] of [
        [browser, 'session'],
        [native, 'jwt'],
      ] as const) {
        const { status, body, received } = await through(client, 'GET');
        expect([strategy, status]).toEqual([strategy, 200]);
        expect(body).toMatchObject({ sid: client.sessionId, roles: ['user'] });
        expect(received).toHaveLength(1);
        expect(received[0]).toMatchObject({
          method: 'GET',
          url: '/invoices/7?page=2',
          headers: {
            'x-auth-user-id': body.sub,
            'x-auth-session-id': client.sessionId,
            'x-auth-roles': 'user',
            'x-auth-strategy': strategy,
          },
        });
        expectNoCredentials(received);
      }
    });

    test('method and body reach the application; Latchkey is asked without the body', async () => {
      const sent = { text: 'x'.repeat(40_000) };
      for (const client of [browser, native]) {
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
          const { status, received } = await through(client, method, {}, sent);
          expect([method, status]).toEqual([method, 200]);
          expect([received[0]?.method, received[0]?.body]).toEqual([method, JSON.stringify(sent)]);
          expectNoCredentials(received);
        }
      }
    });

    test('X-Auth-* from outside is dropped, whether somebody is signed in or not, and whatever Latchkey leaves out', async () => {
      await app.rows(`UPDATE users SET roles = '{}' WHERE email = $1`, [browser.email]);
      await eventually(async () => {
        const { status, received } = await through(browser, 'GET', SPOOFED);
        expect(status).toBe(200);
        expect(JSON.stringify(received[0]?.headers)).not.toContain('spoofed');
        return (received[0]?.headers['x-auth-roles'] ?? '') === '';
      });
      await app.rows(`UPDATE users SET roles = '{user}' WHERE email = $1`, [browser.email]);
      const { status, received } = await through({ credentials: {} }, 'GET', SPOOFED);
      expect([status, received]).toEqual([401, []]);
    });

    test('without a credential, with a bad one and after a logout: 401 with WWW-Authenticate, and nothing gets through', async () => {
      const gone = browser.sibling({});
      expect((await gone.login({ strategy: 'jwt' })).status).toBe(200);
      const stolen = gone.copy();
      expect((await gone.logout()).status).toBe(204);
      for (const credentials of [
        {},
        { authorization: 'Bearer a.b.c' },
        { cookie: '__Host-sid=s%3Aa.b' },
        { authorization: `Bearer ${stolen.accessToken}` },
      ]) {
        for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS']) {
          const { status, headers, received } = await through({ credentials }, method);
          expect([method, status, received]).toEqual([method, 401, []]);
          expect(headers['www-authenticate']).toContain('realm="latchkey"');
        }
      }
    });

    test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
      '%s with a cookie keeps its CSRF check, whatever method a page or a client claims',
      async (method) => {
        const forged = { 'x-forwarded-method': 'GET', 'x-original-method': 'GET' };
        for (const headers of [
          { origin: 'https://evil.example' },
          { 'sec-fetch-site': 'cross-site' },
          { 'sec-fetch-site': 'cross-site', ...forged },
          {},
          { 'x-csrf-token': 'wrong', origin: ORIGIN },
        ]) {
          const { status, received } = await through(cookieOnly(), method, headers);
          expect([headers, status, received]).toEqual([headers, 403, []]);
        }
        expect((await through(cookieOnly(), method, { origin: ORIGIN })).status).toBe(200);
        expect((await through(browser, method)).status).toBe(200);
        expect((await through(native, method, { origin: 'https://evil.example' })).status).toBe(200);
      },
    );

    test('a page elsewhere may still read by GET, as it could of any server', async () => {
      const { status } = await through(cookieOnly(), 'GET', { 'sec-fetch-site': 'cross-site' });
      expect(status).toBe(200);
    });

    test('nobody outside can ask /auth/verify and get the token', async () => {
      for (const path of ['/auth/verify', '/auth/verify/', '/auth/verify/x', '/_latchkey']) {
        for (const client of [browser, native]) {
          const answer = await wire(gateway.url, 'GET', path, {
            headers: { host: 'app.example.com', ...client.credentials, 'x-forwarded-method': 'GET' },
          });
          expect(answer.headers['x-auth-token']).toBeUndefined();
          if (path !== '/_latchkey') expect([path, answer.status]).toEqual([path, 404]);
        }
      }
    });

    test('Latchkey away: 5xx for everybody, and nothing gets through', async () => {
      await app.app.close();
      for (const client of [browser, native, { credentials: {} }]) {
        for (const method of ['GET', 'POST', 'OPTIONS']) {
          const { status, received } = await through(client, method);
          expect(status).toBeGreaterThanOrEqual(502);
          expect(received).toEqual([]);
        }
      }
    });
  });
}

test.each(['nginx.conf', 'Caddyfile', 'traefik.yaml', 'envoy.yaml'])(
  'deploy/gateway/%s says what Latchkey needs, names every header, and drops every credential',
  (name) => {
    const text = readFileSync(join(import.meta.dirname, '../../deploy/gateway', name), 'utf8').toLowerCase();
    expect(text).toContain('public_origin=');
    expect(text).toContain('trust_proxy=');
    for (const header of ['x-auth-', 'x-forwarded-method', ...CREDENTIALS]) expect(text).toContain(header);
  },
);
