import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ModulesContainer } from '@nestjs/core';
import { STRATEGIES } from '../src/auth/strategies/index.js';
import { PROBLEMS } from '../src/http/problem.js';
import { InvoicesModule } from './examples/invoices.module.js';
import { OpaqueStrategy } from './examples/opaque.strategy.js';
import { type OpenApi, operations, parseOpenApi } from './support/openapi-shape.js';
import { type RegisteredRoute, recordRoutes } from './support/registered-routes.js';
import { rolesOf } from './support/roles-of.js';
import { MODES, TestApp } from './support/test-app.js';
import { type TestClient } from './support/test-client.js';

/** Everything that answers without a credential, in any mode. Whoever opens a route adds it here, and somebody reviews it. */
const PUBLIC = [
  'GET /auth/config',
  'GET /auth/csrf',
  'POST /auth/login',
  'POST /auth/signup',
  'POST /session',
  'GET /health/live',
  'GET /health/ready',
  'GET /.well-known/jwks.json',
  'GET /openapi.json',
  'GET /invoices/currency',
];
/** Swagger UI: pages and scripts, no JSON. */
const PAGES = /^\/docs(?:\/|$)/;
/** Routes that say nothing on success. */
const UNDOCUMENTED = ['GET /openapi.json'];
/** Forward-auth: every method is the same question, which gateways ask and no client does (test/gateway/verify.spec.ts). */
const GATEWAYS = /^\/auth\/verify(?:\/|$)/;
/** What `fetch` cannot send, and what Fastify refuses without a body (RFC 10008). */
const UNSENDABLE = ['TRACE', 'QUERY'];

const UNKNOWN_ID = '01890000-0000-7000-8000-000000000000';
const pathOf = ({ url }: Pick<RegisteredRoute, 'url'>): string => url.replaceAll(/:\w+|\*$/g, UNKNOWN_ID);
const nameOf = ({ method, url }: Pick<RegisteredRoute, 'method' | 'url'>): string => `${method} ${url}`;

describe.each(MODES)('AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  /** Without HEAD, which Fastify adds to every GET, and without the pages. */
  let routes: RegisteredRoute[];
  let allRoutes: RegisteredRoute[];
  let document: OpenApi;
  let user: TestClient;

  beforeAll(async () => {
    const recorded = await recordRoutes(() =>
      TestApp.start({ mode, env: { THROTTLE: 'off' }, modules: [InvoicesModule] }),
    );
    app = recorded.result;
    allRoutes = recorded.routes;
    routes = allRoutes.filter(
      ({ method, url }) => ![...UNSENDABLE, 'HEAD'].includes(method) && !PAGES.test(url),
    );
    user = app.client();
    expect((await user.signup()).status).toBe(201);
    document = parseOpenApi((await app.client().get('/openapi.json')).body);
  });
  afterAll(() => app.close());

  const closed = (): RegisteredRoute[] => routes.filter((route) => !PUBLIC.includes(nameOf(route)));

  test('AZ05 a route is public by name, or answers 401 without a credential and with a bad one', async () => {
    expect(closed().length).toBeGreaterThan(10);
    for (const route of closed()) {
      const absent = await app.client().send(route.method, pathOf(route));
      expect([nameOf(route), absent.status, absent.body.code]).toEqual([
        nameOf(route),
        401,
        'credential_missing',
      ]);
      expect(absent.headers.get('www-authenticate')).toContain('realm="latchkey"');
      const bad = await app.client().send(route.method, pathOf(route), {
        headers: { authorization: 'Bearer a.b.c', cookie: 'sid=s%3Aa.b; rt=lkr_a' },
      });
      expect([nameOf(route), bad.status]).toEqual([nameOf(route), 401]);
    }
  });

  test('the list of public routes names nothing that is gone, and all of it answers', async () => {
    expect(PUBLIC.filter((name) => !routes.some((route) => nameOf(route) === name))).toEqual([]);
    for (const name of PUBLIC) {
      const [method = '', path = ''] = name.split(' ');
      expect([name, (await app.client().send(method, path)).status]).toEqual([
        name,
        method === 'GET' ? 200 : 400,
      ]);
    }
  });

  test('AZ05 a route with @Roles is 403 for a signed-in user without the role, before anything else is judged', async () => {
    const protectedRoutes = rolesOf(app.app.get(ModulesContainer));
    expect(protectedRoutes.map(nameOf)).toContain('POST /invoices');
    const ofAdmins = routes.filter(({ url }) => url.startsWith('/admin/')).map(nameOf);
    expect(ofAdmins).toHaveLength(6);
    expect(protectedRoutes.map(nameOf)).toEqual(expect.arrayContaining(ofAdmins));
    for (const route of protectedRoutes) {
      expect(routes.map(nameOf)).toContain(nameOf(route));
      const fields = route.method === 'GET' ? {} : { body: { unknown: true } };
      const { status, body } = await user.send(route.method, pathOf(route), fields);
      expect([nameOf(route), status, body.code]).toEqual([nameOf(route), 403, 'forbidden']);
    }
  });

  test('AZ06 HEAD goes through the same guards as GET, and has no body', async () => {
    for (const route of routes.filter(({ method }) => method === 'GET')) {
      expect(allRoutes.some(({ method, url }) => method === 'HEAD' && url === route.url)).toBe(true);
      for (const client of [app.client(), user]) {
        const head = await client.send('HEAD', pathOf(route));
        const get = await client.send('GET', pathOf(route));
        expect([nameOf(route), head.status, head.text]).toEqual([nameOf(route), get.status, '']);
      }
    }
    expect((await app.client().send('HEAD', '/auth/me')).status).toBe(401);
  });

  test('AZ06 OPTIONS on a known path is 204 with Allow, without a credential, a handler or a query', async () => {
    const queries = app.countQueries();
    // To a gateway 204 would mean that anybody may pass.
    for (const route of routes.filter(({ url }) => !GATEWAYS.test(url))) {
      const answer = await user.send('OPTIONS', pathOf(route));
      expect([nameOf(route), answer.status, answer.text]).toEqual([nameOf(route), 204, '']);
      expect(answer.headers.get('allow')?.split(', ')).toEqual(
        expect.arrayContaining([route.method, 'OPTIONS']),
      );
    }
    expect(queries.statements.filter((sql) => /\b(credentials|sessions|users)\b/.test(sql))).toEqual([]);
    queries.stop();
    expect((await user.me()).status).toBe(200);
  });

  test('a method that a known path does not have is 405 with exactly the methods that it has', async () => {
    for (const url of new Set(routes.map((route) => route.url))) {
      const methods = allRoutes.filter((route) => route.url === url).map(({ method }) => method);
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter(
        (name) => !methods.includes(name),
      )) {
        const answer = await app.client().send(method, pathOf({ url }));
        expect([method, url, answer.status, answer.body.code]).toEqual([
          method,
          url,
          405,
          'method_not_allowed',
        ]);
        expect(answer.headers.get('allow')?.split(', ').sort()).toEqual([...methods, 'OPTIONS'].sort());
      }
    }
    expect((await app.client().get('/nowhere')).body.code).toBe('not_found');
    expect((await app.client().send('OPTIONS', '/nowhere')).status).toBe(404);
  });

  test('refusals come in the order of the contract: each request is wrong in all that follows, too', async () => {
    const cross = { 'sec-fetch-site': 'cross-site', 'x-csrf-token': undefined };
    const json = { 'content-type': 'application/json' };
    const wrongFields = { raw: '{"cents":"x"}', headers: { ...json, ...cross } };
    const steps: [client: TestClient, method: string, path: string, options: object, status: number][] = [
      [app.client(), 'PUT', `/${'x'.repeat(3_000)}`, { raw: 'x'.repeat(20_000), headers: cross }, 414],
      [app.client(), 'PUT', '/nowhere', { raw: 'x'.repeat(20_000), headers: cross }, 404],
      [app.client(), 'PUT', '/invoices', { raw: 'x'.repeat(20_000), headers: cross }, 405],
      [app.client(), 'POST', '/invoices', { raw: 'x'.repeat(20_000), headers: cross }, 413],
      [
        app.client(),
        'POST',
        '/invoices',
        { raw: '{', headers: { 'content-type': 'text/plain', ...cross } },
        415,
      ],
      [app.client(), 'POST', '/invoices', { raw: '{', headers: { ...json, ...cross } }, 400],
      [app.client(), 'POST', '/invoices', wrongFields, 401],
      [user.copy(), 'POST', '/invoices', wrongFields, 403],
      [user.copy(), 'POST', '/invoices', { body: { cents: 'x' } }, 403],
    ];
    const codes: string[] = [];
    for (const [client, method, path, options, status] of steps) {
      const answer = await client.send(method, path, options);
      expect([method, path.slice(0, 20), answer.status]).toEqual([method, path.slice(0, 20), status]);
      codes.push(answer.body.code);
    }
    expect(codes.slice(5)).toEqual([
      'malformed_body',
      'credential_missing',
      mode.startsWith('session') ? 'csrf_failed' : 'forbidden',
      'forbidden',
    ]);
  });

  test('CS14 GET and HEAD never change anything: the routes that do have neither', async () => {
    for (const path of ['/auth/signup', '/auth/login', '/auth/logout', '/auth/password', '/auth/refresh']) {
      for (const method of ['GET', 'HEAD']) {
        expect([404, 405]).toContain((await user.send(method, path)).status);
      }
    }
    expect((await user.me()).status).toBe(200);
  });

  test('the OpenAPI document has exactly the routes that exist', () => {
    const documented = operations(document).map(({ method, path }) => `${method} ${path}`);
    const existing = routes
      .filter(({ url }) => !GATEWAYS.test(url))
      .map(nameOf)
      .filter((name) => !UNDOCUMENTED.includes(name));
    expect(documented.sort()).toEqual(existing.map((name) => name.replaceAll(/:(\w+)/g, '{$1}')).sort());
  });

  test('every success of every route says what it answers: Fastify writes it by a schema, or there is no body', () => {
    for (const { method, path, operation } of operations(document)) {
      const { schemas } = routes.find(
        (route) => route.method === method && route.url === path.replaceAll(/\{(\w+)\}/g, ':$1'),
      )!;
      const successes = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'));
      expect(successes.length).toBeGreaterThan(0);
      for (const [status, { content }] of successes) {
        const body = content?.['application/json'] !== undefined;
        expect(`${method} ${path} ${status} ${body}`).toBe(`${method} ${path} ${status} ${status !== '204'}`);
        expect(schemas.includes(status)).toBe(body);
      }
      const refusals = ['4XX', '5XX'].map((status) => operation.responses[status]?.content);
      for (const content of refusals)
        expect(content).toEqual({
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
        });
    }
    const problem = document.components.schemas['Problem'] as { properties: { code: { enum: string[] } } };
    expect(problem.properties.code.enum.sort()).toEqual(Object.keys(PROBLEMS).sort());
  });

  test('the document says which credentials there are, and which operations need none', () => {
    const schemes = document.components.securitySchemes;
    expect(Object.keys(schemes)).toEqual(mode.split(','));
    expect(document.security).toEqual(mode.split(',').map((name) => ({ [name]: [] })));
    const open = operations(document).filter(({ operation }) => operation.security !== undefined);
    for (const { operation } of open) expect(operation.security).toEqual([{}]);
    // Refresh has a credential of its own, in the body or in a cookie that no other route reads.
    const expected = [...PUBLIC, ...(mode.includes('jwt') ? ['POST /auth/refresh'] : [])].filter(
      (name) => !UNDOCUMENTED.includes(name),
    );
    expect(open.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(expected.sort());
  });

  test('MC10 document and answers have only what the mode has', async () => {
    const text = JSON.stringify(document);
    const ofJwt = ['accessToken', 'refreshToken', 'refreshTransport', '/auth/refresh', 'expiresIn', 'bearer'];
    for (const word of ofJwt)
      expect(`${word} ${text.includes(`"${word}"`)}`).toBe(`${word} ${mode.includes('jwt')}`);
    expect(text.includes('"in":"cookie"')).toBe(mode.includes('session'));
    expect(text).not.toContain('x-strategies');
    expect(routes.map(nameOf).includes('POST /auth/refresh')).toBe(mode.includes('jwt'));

    for (const strategy of mode.split(',')) {
      const { body } = await user.sibling().login({ strategy });
      expect(Object.keys(body).sort()).toEqual(
        (strategy === 'session'
          ? ['csrfToken', 'session', 'strategy', 'user']
          : ['accessToken', 'expiresIn', 'refreshToken', 'session', 'strategy', 'tokenType', 'user']
        ).sort(),
      );
    }
  });
});

test('a third strategy is documented like the two: its token, and nothing that only they have', async () => {
  const strategies = { ...STRATEGIES, opaque: OpaqueStrategy };
  const app = await TestApp.start({ mode: 'opaque', strategies });
  const document = parseOpenApi((await app.client().get('/openapi.json')).body);
  const text = JSON.stringify(document);
  expect(document.components.securitySchemes).toEqual({ opaque: { type: 'http', scheme: 'bearer' } });
  expect(text).toContain('"accessToken"');
  for (const word of ['refreshToken', 'refreshTransport', '/auth/refresh'])
    expect(text).not.toContain(`"${word}"`);
  await app.close();
});

test('DOCS=false: neither the pages nor the document are there (EL08)', async () => {
  const app = await TestApp.start({ mode: 'session', env: { DOCS: 'false' } });
  for (const path of ['/docs', '/docs/', '/openapi.json']) {
    expect((await app.client().get(path)).body.code).toBe('not_found');
  }
  await app.close();
});

test('OpenAPI says which bodies may be left out, and which may be a form', async () => {
  const app = await TestApp.start({ mode: 'session,jwt' });
  const { paths } = (await app.client().get('/openapi.json')).body;
  for (const path of ['/auth/logout', '/auth/refresh']) {
    expect(paths[path].post.requestBody.required).toBe(false);
  }
  for (const [path, types] of [
    ['/auth/login', ['application/json']],
    ['/session', ['application/json', 'application/x-www-form-urlencoded']],
  ] as const) {
    expect(Object.keys(paths[path].post.requestBody.content)).toEqual(types);
    expect(paths[path].post.requestBody.required).toBe(true);
  }
  await app.close();
});
