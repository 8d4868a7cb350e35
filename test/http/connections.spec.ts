import { connect } from 'node:net';
import { call, expectEveryHeader, expectProblem, expectRefusedAndClosed } from './support/expect-problem.js';
import { type HttpApp, SlowGoodbye, startHttpApp } from './support/http-app.js';
import { request, sendRaw } from './support/raw.js';

let server: HttpApp;

beforeAll(async () => {
  server = await startHttpApp();
});

afterAll(async () => {
  await server.app.close();
});

const BODY = '{"email":"a@b.example","password":"x"}';
const head = (...lines: string[]) =>
  ['POST /auth/login HTTP/1.1', 'Host: localhost', ...lines, '', ''].join('\r\n');

describe('what is no HTTP is refused with a document, and the connection closed', () => {
  it.each([
    [
      'IV58 Content-Length and Transfer-Encoding',
      `${head('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    ],
    ['IV58 two different Content-Lengths', `${head('Content-Length: 5', 'Content-Length: 6')}hello!`],
    ['IV58 a Content-Length that is no number', `${head('Content-Length: 5x')}hello`],
    ['IV58 a negative Content-Length', `${head('Content-Length: -1')}hello`],
    ['IV58 an unknown Transfer-Encoding', `${head('Transfer-Encoding: xchunked')}0\r\n\r\n`],
    ['IV58 chunked that is not last', `${head('Transfer-Encoding: chunked, gzip')}0\r\n\r\n`],
    ['IV58 bare line feeds', 'GET /auth/me HTTP/1.1\nHost: localhost\n\n'],
    ['a header without a colon', 'GET /auth/me HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n'],
    ['CK09 a NUL in a header', 'GET /auth/me HTTP/1.1\r\nHost: localhost\r\nCookie: a\0b\r\n\r\n'],
    ['white space before the colon', 'GET /auth/me HTTP/1.1\r\nHost : localhost\r\n\r\n'],
    ['a folded header', 'GET /auth/me HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\n 2\r\n\r\n'],
    ['an unknown method', 'FOO /auth/me HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a space in the target', 'GET /auth/ me HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['IV59 HTTP/0.9', 'GET /auth/me\r\n\r\n'],
    ['IV59 HTTP/3.0', 'GET /auth/me HTTP/3.0\r\nHost: localhost\r\n\r\n'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS hello', Buffer.from('160301020001000001fc0303', 'hex')],
    [
      'a chunk size that is no number',
      `${head('Content-Type: application/json', 'Transfer-Encoding: chunked')}zz\r\n`,
    ],
    ['CONNECT', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n'],
    ['an expectation that is not met', head('Expect: a-miracle', 'Content-Length: 0')],
  ])('%s', async (_name, bytes) => {
    await expectRefusedAndClosed(server.port, bytes, 'malformed_request');
    expect((await call(`${server.url}/auth/me`)).status).toBe(200);
  });

  it('CK07 JW22 headers over 16 KB: 431', async () => {
    const large = request('GET /auth/me', [`Cookie: sid=${'x'.repeat(20_000)}`]);
    await expectRefusedAndClosed(server.port, large, 'headers_too_large');
    const many = request(
      'GET /auth/me',
      Array.from({ length: 3000 }, (_, i) => `X-${i}: 1`),
    );
    await expectRefusedAndClosed(server.port, many, 'headers_too_large');
  });

  it('headers of 15 KB pass, all of them', async () => {
    const lines = Array.from({ length: 2100 }, () => 'a: 1');
    const bytes = request('GET /auth/me', [...lines, 'X-Forwarded-For: 203.0.113.9']);
    expect((await sendRaw(server.port, bytes)).status).toBe(200);
  });

  it('a URL over 16 KB: 414, also as second request of a connection', async () => {
    const long = request(`GET /${'x'.repeat(20_000)}`);
    await expectRefusedAndClosed(server.port, long, 'uri_too_long');
    const answer = await sendRaw(server.port, [request('GET /auth/me'), long], { untilClosed: true });
    expect(answer.text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 414']);
  });
});

describe('Host', () => {
  it.each([
    ['none', 'GET /auth/me HTTP/1.1\r\n\r\n'],
    ['two', 'GET /auth/me HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n'],
    ['IV59 a list', 'GET /auth/me HTTP/1.1\r\nHost: a, b\r\n\r\n'],
    ['a path', 'GET /auth/me HTTP/1.1\r\nHost: localhost/x\r\n\r\n'],
    ['a user', 'GET /auth/me HTTP/1.1\r\nHost: me@localhost\r\n\r\n'],
  ])('%s: 400', async (_name, bytes) => {
    expectProblem(await sendRaw(server.port, bytes), 'malformed_request');
  });

  it('IV59 HTTP/1.0 may leave it out', async () => {
    expect((await sendRaw(server.port, 'GET /auth/me HTTP/1.0\r\n\r\n')).status).toBe(200);
  });
});

it('100-continue is met', async () => {
  const lines = [
    'Content-Type: application/json',
    'Expect: 100-continue',
    `Content-Length: ${BODY.length}`,
    'Connection: close',
  ];
  const answer = await sendRaw(server.port, [head(...lines), BODY], { untilClosed: true });
  expect(answer.text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 200']);
});

it('an offer to upgrade is not taken', async () => {
  const answer = await sendRaw(
    server.port,
    request('GET /auth/me', ['Connection: Upgrade', 'Upgrade: websocket']),
  );
  expect(answer.status).toBe(200);
  expectEveryHeader(answer);
});

describe('slow clients', () => {
  let hasty: HttpApp;

  beforeAll(async () => {
    hasty = await startHttpApp(
      {},
      { headers: 1000, request: 1500, keepAlive: 300, silence: 2000, check: 50 },
    );
  });

  afterAll(async () => {
    await hasty.app.close();
  });

  it('HD11 headers that do not end: 408', async () => {
    await expectRefusedAndClosed(
      hasty.port,
      'GET /auth/me HTTP/1.1\r\nHost: localhost\r\nX-A',
      'request_timeout',
    );
  });

  it('IV20 a body that does not end: 408, with one answer', async () => {
    const lines = ['Content-Type: application/json', 'Content-Length: 100'];
    const answer = await expectRefusedAndClosed(hasty.port, [head(...lines), '{', '"'], 'request_timeout');
    expect(answer.text.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('HD11 200 of them keep nobody else from being served', async () => {
    const sockets = Array.from({ length: 200 }, () =>
      connect(hasty.port, '127.0.0.1').on('error', () => undefined),
    );
    for (const socket of sockets) socket.write('GET /auth/me HTTP/1.1\r\nX-');
    expect((await call(`${hasty.url}/auth/me`)).status).toBe(200);
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.resume().once('close', resolve))),
    );
  });

  it('an idle connection is closed', async () => {
    const answer = await sendRaw(hasty.port, request('GET /auth/me'), { untilClosed: true });
    expect([answer.status, answer.closed]).toEqual([200, true]);
  });

  it('a client that leaves in the middle of its body is no error of ours', async () => {
    hasty.log.length = 0;
    const socket = connect(hasty.port, '127.0.0.1');
    socket.write(head('Content-Type: application/json', 'Content-Length: 100') + '{');
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(hasty.log).toEqual([]);
  });
});

describe('shutdown', () => {
  it('FT19 ends requests in flight, closes their connections, and waits for no silent one', async () => {
    const closing = await startHttpApp();
    const silent = connect(closing.port, '127.0.0.1').on('error', () => undefined);
    const inFlight = sendRaw(closing.port, request('GET /slow'), { untilClosed: true });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = performance.now();
    const [answer] = await Promise.all([inFlight, closing.app.close()]);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('connection')).toBe('close');
    expect(performance.now() - before).toBeLessThan(2000);
    silent.destroy();
  });

  it('cuts a request that does not end in time', async () => {
    const closing = await startHttpApp({}, { drain: 100 });
    const inFlight = sendRaw(closing.port, [head('Content-Length: 10'), '{'], { untilClosed: true });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await closing.app.close();
    expect((await inFlight).closed).toBe(true);
  });

  it('FT21 serves what still comes in while other parts say goodbye, and keeps no connection', async () => {
    const closing = await startHttpApp();
    closing.app.get(SlowGoodbye).milliseconds = 1000;
    const closed = closing.app.close();
    const answer = await sendRaw(closing.port, request('GET /auth/me'), { untilClosed: true });
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
    await closed;
    expect((await sendRaw(closing.port, request('GET /auth/me'))).status).toBe(0);
  });
});
