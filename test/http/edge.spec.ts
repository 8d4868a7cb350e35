import { METHODS } from 'node:http';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { fastify } from 'fastify';
import { HTTP_LIMITS } from '../../src/http/http-server.js';
import { newRequestId } from '../../src/http/request-id.js';
import { EVERY_ANSWER, call, expectEveryHeader, expectProblem, post } from './support/expect-problem.js';
import { type HttpApp, startHttpApp } from './support/http-app.js';
import { request, sendRaw } from './support/raw.js';

const APP = 'https://app.example.com';

let server: HttpApp;
let proxied: HttpApp;

beforeAll(async () => {
  server = await startHttpApp({ CORS_ORIGINS: `${APP},capacitor://localhost` });
  proxied = await startHttpApp({
    TRUST_PROXY: '1',
    PUBLIC_ORIGIN: 'https://id.example.com',
  });
});

afterAll(async () => {
  await server.app.close();
  await proxied.app.close();
});

describe('paths and methods', () => {
  it.each([
    '/nope',
    '/auth',
    '/auth/nope',
    '/auth/me/',
    '//auth/me',
    '//auth//me',
    '/auth//me',
    '/AUTH/ME',
    '/auth/Me',
    '/auth/me;x=1',
    '/auth/me%2f',
    '/auth%2fme',
    '/auth/me%20',
    '/auth/me.json',
    '/auth/./nope',
    '/..%2f',
    '/%2e%2e/auth/me',
    '/auth/sessions/',
    '/auth/sessions/1/2',
    '/auth/\\me',
    '/*',
  ])('IV55 %s is no path: 404', async (path) => {
    expectProblem(await sendRaw(server.port, request(`GET ${path}`)), 'not_found');
  });

  it.each(['/%ff', '/%', '/auth/%e0%a4%a', '/%00', '/auth/me%00', '/auth/me?x=%00', '/%zz/auth/me'])(
    'IV55 %s is not to be read: 400',
    async (path) => {
      expectProblem(await sendRaw(server.port, request(`GET ${path}`)), 'malformed_request');
    },
  );

  it('IV55 a percent-encoded letter is that letter: the route, with its guards', async () => {
    const answer = await sendRaw(server.port, request('GET /%61uth/me?x#y'));
    expect(answer.status).toBe(200);
  });

  it('IV59 an absolute URL is answered like its path, an asterisk or a bare word is 400', async () => {
    expect((await sendRaw(server.port, request('GET http://evil.example/auth/me'))).status).toBe(200);
    expectProblem(await sendRaw(server.port, request('GET http://evil.example/nope')), 'not_found');
    for (const target of ['*', '*auth/me', 'auth/me', 'ftp://localhost/auth/me', 'http:///auth/me']) {
      expectProblem(await sendRaw(server.port, request(`OPTIONS ${target}`)), 'malformed_request');
    }
  });

  it('405 names the methods of the path, exactly', async () => {
    const answer = await call(`${server.url}/auth/me`, { method: 'DELETE' });
    expectProblem(answer, 'method_not_allowed');
    expect(answer.headers.get('allow')).toBe('GET, HEAD, PATCH, OPTIONS');
    const parameter = await call(`${server.url}/auth/sessions/1`, { method: 'POST' });
    expectProblem(parameter, 'method_not_allowed');
    expect(parameter.headers.get('allow')).toBe('DELETE, OPTIONS');
  });

  it('every method that Node knows is 405 on a known path and 404 on another, never anything else', async () => {
    const others = METHODS.filter(
      (method) => !['CONNECT', 'GET', 'HEAD', 'PATCH', 'OPTIONS'].includes(method),
    );
    for (const method of others) {
      expectProblem(await sendRaw(server.port, request(`${method} /auth/me`)), 'method_not_allowed');
    }
    for (const method of ['POST', 'TRACE', 'PROPFIND', 'OPTIONS', 'QUERY'].filter((name) =>
      METHODS.includes(name),
    )) {
      expectProblem(await sendRaw(server.port, request(`${method} /nope`)), 'not_found');
    }
  });

  it('OPTIONS on a known path is 204 with Allow, without handler or body', async () => {
    const answer = await call(`${server.url}/auth/login`, { method: 'OPTIONS' });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('allow')).toBe('POST, OPTIONS');
    expect(answer.body).toBe('');
    expect(answer.headers.has('content-type')).toBe(false);
    expectEveryHeader(answer);
  });

  it('HD09 HEAD is GET without the body, refusals included', async () => {
    const answer = await sendRaw(server.port, request('HEAD /auth/me'));
    expect([answer.status, answer.body]).toEqual([200, '']);
    expect(Number(answer.headers.get('content-length'))).toBeGreaterThan(0);
    expectEveryHeader(answer);
    const refused = await sendRaw(server.port, request('HEAD /faults/throw'));
    expect([refused.status, refused.body]).toEqual([500, '']);
    expect(refused.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  });

  it('the order of refusals: target, then path, then method, then body', async () => {
    const bad = { 'content-type': 'text/plain' };
    const large = 'x'.repeat(20_000);
    expectProblem(await sendRaw(server.port, `POST /nope HTTP/1.1\r\n\r\n`), 'malformed_request');
    expectProblem(await post(`${server.url}/nope?${'x'.repeat(2100)}`, large, bad), 'uri_too_long');
    expectProblem(await post(`${server.url}/nope`, large, bad), 'not_found');
    expectProblem(await post(`${server.url}/auth/me`, large, bad), 'method_not_allowed');
    expectProblem(await post(`${server.url}/auth/login`, large, bad), 'body_too_large');
    expectProblem(await post(`${server.url}/auth/login`, 'x', bad), 'unsupported_media_type');
    expectProblem(await post(`${server.url}/auth/login`, '{'), 'malformed_body');
    expectProblem(await post(`${server.url}/auth/login`, '{}'), 'validation_failed');
  });

  it('IV53 a URL of 2,048 characters passes, one more is 414', async () => {
    const pad = (length: number) => `/auth/me?${'x'.repeat(length - '/auth/me?'.length)}`;
    expect((await call(server.url + pad(2048))).status).toBe(200);
    expectProblem(await call(server.url + pad(2049)), 'uri_too_long');
    expectProblem(
      await call(`${server.url}/auth/sessions/${'9'.repeat(2100)}`, { method: 'DELETE' }),
      'uri_too_long',
    );
    const id = '9'.repeat(1500);
    expect((await call(`${server.url}/auth/sessions/${id}`, { method: 'DELETE' })).body).toContain(id);
    expectProblem(await call(`${server.url}/auth/me?${'a[]=1&'.repeat(5000)}`), 'uri_too_long');
  });
});

describe('headers of every answer', () => {
  it('HD02 CS32 a success has them, and no ETag, so that nothing is ever 304', async () => {
    const answer = await call(`${server.url}/auth/me?callback=x`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.headers.has('strict-transport-security')).toBe(false);
    expectEveryHeader(answer);
  });

  it('HSTS goes out where the public origin is https', async () => {
    for (const path of ['/auth/me', '/nope', '/%ff']) {
      const { headers } = await call(proxied.url + path);
      expect(headers.get('strict-transport-security')).toBe('max-age=63072000');
    }
    const broken = await sendRaw(proxied.port, 'nonsense\r\n\r\n');
    expect(broken.headers.get('strict-transport-security')).toBe('max-age=63072000');
  });

  it('HD12 Range and conditions are not looked at', async () => {
    const headers = {
      range: 'bytes=0-3',
      'if-none-match': '*',
      'if-modified-since': new Date(2e12).toUTCString(),
    };
    const answer = await call(`${server.url}/auth/me`, { headers });
    expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { address: '127.0.0.1', proxied: false }]);
  });

  it('a route may be cacheable; its refusals are not', async () => {
    const { headers } = await call(`${server.url}/keys`);
    expect([headers.get('cache-control'), headers.get('vary')]).toEqual(['public, max-age=300', 'Origin']);
    const refused = await call(`${server.url}/faults/many`);
    expect(refused.headers.get('cache-control')).toBe('no-store');
  });

  it('the docs have their own policy; what is refused below them has not', async () => {
    const { headers } = await call(`${server.url}/docs`);
    expect(headers.get('content-security-policy')).toContain("script-src 'self'");
    expectProblem(await call(`${server.url}/docs/missing`), 'not_found');
    expectProblem(await call(`${server.url}/docs/nope`), 'not_found');
  });

  it('HD06 the Host that a client names appears nowhere', async () => {
    const answer = await sendRaw(
      server.port,
      request('GET /nope', ['X-Forwarded-Host: evil.example']).replace('localhost', 'evil.example'),
    );
    expectProblem(answer, 'not_found');
    expect(answer.text).not.toContain('evil');
  });
});

describe('request ids and addresses', () => {
  it('EN12 ids are random: no two alike, and no counter in them', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => call(`${server.url}/nope`)));
    const ids = answers.map(({ headers }) => headers.get('x-request-id') ?? '');
    for (let i = 0; i < 5000; i += 1) ids.push(newRequestId());
    expect(new Set(ids).size).toBe(5020);
    expect(new Set(ids.map((id) => id.slice(0, 2))).size).toBe(256);
    expect(new Set(ids.map((id) => id.slice(-2))).size).toBe(256);
  });

  it('an inbound id counts from a trusted proxy alone, and only when it is safe', async () => {
    const idOf = async (app: HttpApp, id: string, path = '/nope') =>
      (await call(app.url + path, { headers: { 'x-request-id': id } })).headers.get('x-request-id');
    expect(await idOf(proxied, 'Trace_id-42')).toBe('Trace_id-42');
    expect(await idOf(proxied, 'Trace_id-42', '/%ff')).toBe('Trace_id-42');
    expect(await idOf(server, 'Trace_id-42')).toMatch(/^[0-9a-f]{16}$/);
    for (const id of ['short', 'x'.repeat(65), 'with space', '<script>', 'a"b:c{}d']) {
      expect(await idOf(proxied, id)).toMatch(/^[0-9a-f]{16}$/);
    }
  });

  it('BR04 BR05 forwarded addresses count as far as trust reaches, and always are addresses', async () => {
    const addressOf = async (app: HttpApp, headers: Record<string, string>) =>
      JSON.parse((await call(`${app.url}/auth/me`, { headers })).body).address;
    expect(await addressOf(server, { 'x-forwarded-for': '203.0.113.9' })).toBe('127.0.0.1');
    expect(await addressOf(proxied, { 'x-forwarded-for': '198.51.100.1, 203.0.113.9' })).toBe('203.0.113.9');
    expect(await addressOf(proxied, { 'x-forwarded-for': '::ffff:203.0.113.9' })).toBe('203.0.113.9');
    expect(await addressOf(proxied, { 'x-forwarded-for': '203.0.113.9:5678' })).toBe('203.0.113.9');
    expect(await addressOf(proxied, { 'x-forwarded-for': '[2001:DB8:0:0::1]:5678' })).toBe('2001:db8::1');
    expect(await addressOf(proxied, { 'x-forwarded-for': "unknown' OR 1=1" })).toBe('127.0.0.1');
    for (const name of ['x-real-ip', 'forwarded', 'cf-connecting-ip', 'true-client-ip', 'x-client-ip']) {
      expect(await addressOf(proxied, { [name]: '203.0.113.9' })).toBe('127.0.0.1');
    }
  });

  it('TRUST_PROXY as networks: the peer must be in one', async () => {
    const inside = await startHttpApp({ TRUST_PROXY: '127.0.0.0/8,::1' });
    const outside = await startHttpApp({ TRUST_PROXY: '10.0.0.0/8' });
    const headers = { 'x-forwarded-for': '203.0.113.9' };
    expect(JSON.parse((await call(`${inside.url}/auth/me`, { headers })).body)).toEqual({
      address: '203.0.113.9',
      proxied: true,
    });
    expect(JSON.parse((await call(`${outside.url}/auth/me`, { headers })).body)).toEqual({
      address: '127.0.0.1',
      proxied: false,
    });
    await inside.app.close();
    await outside.app.close();
  });
});

describe('CORS', () => {
  const ACAO = 'access-control-allow-origin';
  const preflight = (origin: string, path = '/auth/me', method = 'PATCH') =>
    call(server.url + path, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': method },
    });

  it('CS29 HD05 a preflight from a listed origin', async () => {
    const answer = await preflight(APP);
    expect(answer.status).toBe(204);
    expectEveryHeader(answer);
    expect(answer.headers.get('allow')).toBe('GET, HEAD, PATCH, OPTIONS');
    expect(answer.headers.get(ACAO)).toBe(APP);
    expect(answer.headers.get('access-control-allow-credentials')).toBe('true');
    expect(answer.headers.get('access-control-allow-methods')).toBe('GET, HEAD, POST, PATCH, PUT, DELETE');
    expect(answer.headers.get('access-control-allow-headers')).toBe(
      'Content-Type, Authorization, X-CSRF-Token, X-Requested-With, X-Request-Id',
    );
    expect(answer.headers.get('access-control-max-age')).toBe('600');
    expect((await preflight('capacitor://localhost')).headers.get(ACAO)).toBe('capacitor://localhost');
  });

  it.each([
    'https://evil.example',
    'null',
    '*',
    'https://app.example.com.evil.example',
    'https://evil-app.example.com',
    'https://appxexample.com',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com/',
    `${APP}, https://evil.example`,
    'http://localhost:3000',
  ])('HD03 CS29 %s gets no CORS header, preflight or not', async (origin) => {
    const sent = await call(`${server.url}/auth/me`, { headers: { origin } });
    for (const answer of [await preflight(origin), sent]) {
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
      expect(answer.headers.get('vary')).toBe(EVERY_ANSWER.vary);
    }
    expect(sent.status).toBe(200);
  });

  it('HD03 two Origin headers are no listed origin', async () => {
    const answer = await sendRaw(
      server.port,
      request('GET /auth/me', [`Origin: ${APP}`, 'Origin: https://evil.example']),
    );
    expect(answer.status).toBe(200);
    expect(answer.headers.has(ACAO)).toBe(false);
  });

  it('answers and refusals alike can be read by a listed origin', async () => {
    const read = async (path: string, init: RequestInit = {}) =>
      call(server.url + path, { ...init, headers: { origin: APP, ...init.headers } });
    const answers = [
      await read('/auth/me'),
      await read('/nope'),
      await read('/auth/me', { method: 'POST' }),
      await read('/faults/throw'),
      await read('/faults/limited'),
      await read('/auth/login', {
        method: 'POST',
        body: '{',
        headers: { 'content-type': 'application/json' },
      }),
      await read('/auth/login', { method: 'POST', body: 'x'.repeat(20_000) }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 405, 500, 429, 400, 413]);
    for (const { headers } of answers) {
      expect(headers.get(ACAO)).toBe(APP);
      expect(headers.get('access-control-allow-credentials')).toBe('true');
      expect(headers.get('access-control-expose-headers')).toBe(
        'X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate',
      );
    }
  });

  it('a preflight for an unknown path is 404', async () => {
    expectProblem(await preflight(APP, '/nope'), 'not_found');
  });
});

describe("Nest's adapter", () => {
  it('adds the hooks that the edge knows of, and no others: after an upgrade, look at what is new', () => {
    const hooks: unknown[] = [];
    const instance = fastify();
    Reflect.set(instance, 'addHook', (name: unknown) => {
      hooks.push(name);
      return instance;
    });
    new FastifyAdapter(instance);
    expect(hooks).toEqual([...Array.from({ length: 6 }, () => 'onRequest'), 'onResponse']);
  });

  it('says so when a feature is turned on that these hooks would be needed for', async () => {
    const adapter = server.app.getHttpAdapter();
    expect(() => adapter.enableCors?.({})).toThrow('CORS_ORIGINS');
    expect(() => adapter.initHttpServer({ forceCloseConnections: true })).toThrow('in flight');
    expect(() => adapter.initHttpServer({ return503OnClosing: true })).toThrow('Connection: close');
    expect((await call(`${server.url}/auth/me`)).status).toBe(200);
  });
});

it('the limits are those of the contract', () => {
  expect(HTTP_LIMITS).toMatchObject({
    headerBytes: 16_384,
    headers: 10_000,
    request: 15_000,
    keepAlive: 65_000,
  });
  expect(HTTP_LIMITS.silence).toBeGreaterThan(HTTP_LIMITS.request);
  expect(server.app.getHttpServer()).toMatchObject({
    headersTimeout: 10_000,
    requestTimeout: 15_000,
    keepAliveTimeout: 65_000,
    timeout: 20_000,
    maxHeadersCount: 0,
  });
});
