import { gzipSync } from 'node:zlib';
import {
  call,
  expectEveryHeader,
  expectProblem,
  expectRefusedAndClosed,
  post,
} from './support/expect-problem.js';
import { type HttpApp, startHttpApp } from './support/http-app.js';
import { request, sendRaw } from './support/raw.js';

const GOOD = '{"email":"a@b.example","password":"correct horse battery"}';

let server: HttpApp;
let login: string;

beforeAll(async () => {
  server = await startHttpApp();
  login = `${server.url}/auth/login`;
});

afterAll(async () => {
  await server.app.close();
});

describe('JSON bodies', () => {
  it.each([
    'application/json',
    'APPLICATION/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/json ; foo=bar',
    'application/json;',
  ])('%s is read', async (type) => {
    const answer = await post(login, GOOD, { 'content-type': type });
    expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { email: 'a@b.example' }]);
  });

  it('Content-Encoding: identity is none', async () => {
    expect((await post(login, GOOD, { 'content-encoding': 'identity' })).status).toBe(200);
  });

  it.each([
    ['IV33 CS11 text/plain', 'text/plain'],
    ['IV33 multipart/form-data', 'multipart/form-data; boundary=x'],
    ['IV33 CS12 a form where none is taken', 'application/x-www-form-urlencoded'],
    ['IV33 application/xml', 'application/xml'],
    ['IV32 UTF-16', 'application/json; charset=utf-16le'],
    ['IV32 ISO 8859-1', 'application/json; charset=iso-8859-1'],
    ['IV32 an unknown charset', 'application/json; charset="bogus"'],
    ['IV32 two charsets', 'application/json; charset=utf-8; charset=utf-16'],
    ['IV34 a parameter without value', 'application/json;foo'],
    ['IV34 a list', 'application/json, text/plain'],
    ['IV35 problem+json', 'application/problem+json'],
    ['IV35 vnd.api+json', 'application/vnd.api+json'],
    ['jsonx', 'application/jsonx'],
    ['nothing that is a type', 'garbage'],
    ['a type of nothing', '/'],
  ])('%s: 415', async (_name, type) => {
    expectProblem(await post(login, GOOD, { 'content-type': type }), 'unsupported_media_type');
  });

  it('IV33 no type: 415', async () => {
    expectProblem(
      await sendRaw(server.port, request('POST /auth/login', [], GOOD)),
      'unsupported_media_type',
    );
  });

  it('of two types the first counts, here as in Node', async () => {
    const types = ['Content-Type: text/plain', 'Content-Type: application/json'];
    expectProblem(
      await sendRaw(server.port, request('POST /auth/login', types, GOOD)),
      'unsupported_media_type',
    );
  });

  it.each(['gzip', 'GZIP', 'zstd', 'compress', 'br', 'gzip, gzip', 'identity, gzip'])(
    'IV37 %s: 415',
    async (encoding) => {
      const body = new Uint8Array(gzipSync(GOOD));
      expectProblem(await post(login, body, { 'content-encoding': encoding }), 'unsupported_media_type');
    },
  );

  it.each([
    ['IV07 a comma at the end', '{"email":"a",}'],
    ['IV07 single quotes', "{'email':'a'}"],
    ['IV07 NaN', '{"email":NaN}'],
    ['IV07 a comment', '{"email":"a"/**/}'],
    ['two values', '{}{}'],
    ['cut off', '{"email":"a'],
    ['a raw newline in a string', '{"email":"a\nb"}'],
    ['a raw NUL in a string', '{"email":"a\0b"}'],
    ['white space alone', '  '],
    ['IV17 a name twice, bad then good', '{"email":1,"email":"a@b.example","password":"x"}'],
    ['IV17 a name twice, good then bad', '{"email":"a@b.example","email":1,"password":"x"}'],
    ['IV17 a name twice, once escaped', '{"email":"a","\\u0065mail":"b","password":"x"}'],
    ['IV17 a name twice, further down', '{"email":"a","password":"x","note":{"text":"a","text":"b"}}'],
    ['IV16 __proto__', '{"__proto__":{"email":"a@b.example","password":"x"}}'],
    [
      'IV16 __proto__, escaped',
      '{"\\u005f_proto__":{"email":"a","password":"x"},"email":"a","password":"x"}',
    ],
    ['IV16 constructor', '{"constructor":{"prototype":{"x":1}},"email":"a","password":"x"}'],
    ['IV16 prototype, in an array', '{"email":[{"prototype":1}],"password":"x"}'],
    ['IV28 half a surrogate pair', '{"email":"\\ud800","password":"x"}'],
    ['IV28 the other half', '{"email":"a","password":"x\\udc00"}'],
    ['IV28 a pair the wrong way round', '{"email":"a","password":"\\udc00\\ud800"}'],
    ['IV28 in a name', '{"email":"a","password":"x","\\ud800":1}'],
    ['IV26 U+0000', '{"email":"a","password":"x\\u0000y"}'],
    ['IV38 33 levels', '['.repeat(33) + ']'.repeat(33)],
    ['IV38 2,000 levels', '['.repeat(2000) + ']'.repeat(2000)],
    ['IV38 8,000 levels of objects, unclosed', '{"a":'.repeat(3200)],
    ['101 names', `{${Array.from({ length: 101 }, (_, i) => `"n${i}":1`).join()}}`],
    ['101 names in an array', `[${Array.from({ length: 101 }, () => '{"a":1}').join()}]`],
  ])('%s: malformed_body', async (_name, body) => {
    const problem = expectProblem(await post(login, body), 'malformed_body');
    expect(problem.detail).not.toMatch(/surrogate|proto|NaN|\d{3}n|email/i);
  });

  it.each([
    ['IV29 bytes that are no UTF-8', [0xff, 0xfe]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['half a surrogate in CESU-8', [0xed, 0xa0, 0x80]],
  ])('%s: malformed_body', async (_name, bytes) => {
    const body = Buffer.concat([
      Buffer.from('{"email":"'),
      Buffer.from(bytes),
      Buffer.from('","password":"x"}'),
    ]);
    expectProblem(await post(login, new Uint8Array(body)), 'malformed_body');
  });

  it('IV31 a byte order mark: malformed_body', async () => {
    expectProblem(await post(login, `\u{feff}${GOOD}`), 'malformed_body');
  });

  it.each([
    [
      'an escaped pair and 32 levels pass the parser',
      `{"email":"\\ud83d\\ude00","password":"x","x":${'['.repeat(31)}${']'.repeat(31)}}`,
    ],
    ['100 names pass the parser', `{${Array.from({ length: 100 }, (_, i) => `"n${i}":1`).join()}}`],
    [
      'braces, colons and quotes in strings count for nothing',
      `{"email":"${'{:[\\"'.repeat(200)}\\\\","password":"x","x":1}`,
    ],
    ['the same name in two objects is none twice', '[{"a":1},{"a":1},{"a":{"a":1}}]'],
    ['IV04 an array', '[]'],
    ['IV04 an array of a good one', `[${GOOD}]`],
    ['a string', '"x"'],
    ['null', 'null'],
    ['IV41 1e400', '{"email":1e400,"password":-0}'],
  ])('%s: it is for the schema to refuse', async (_name, body) => {
    expectProblem(await post(login, body), 'validation_failed');
  });

  it('IV05 every field that is missing is named', async () => {
    expect(expectProblem(await post(login, '{}'), 'validation_failed').errors).toEqual([
      { path: 'email', message: 'required' },
      { path: 'password', message: 'required' },
    ]);
  });

  it('IV14 unknown fields are reported once, without their names', async () => {
    const body = `{"email":"a","password":7,"roles":["admin"],"canary":1,"note":{"text":"x","canary":2}}`;
    const answer = await post(login, body);
    expect(expectProblem(answer, 'validation_failed').errors).toEqual([
      { path: '', message: 'unknown field' },
      { path: 'password', message: 'Invalid input: expected string, received number' },
    ]);
    expect(answer.body).not.toMatch(/canary|admin/);
  });

  it('IV01 IV02 no body at all is a body that fails its schema', async () => {
    expectProblem(await sendRaw(server.port, request('POST /auth/login')), 'validation_failed');
    expectProblem(await post(login, ''), 'validation_failed');
  });

  it('undeclared fields of an answer do not leave the house', async () => {
    expect((await post(login, GOOD)).body).toBe('{"email":"a@b.example"}');
  });
});

describe('a route without a body', () => {
  it.each(['application/json', 'text/plain', 'garbage', 'application/json; charset=utf-16', ''])(
    'takes an empty one of type "%s"',
    async (type) => {
      for (const length of ['Content-Length: 0', 'X-No-Length: 1']) {
        const bytes = request('DELETE /auth/sessions/1', [`Content-Type: ${type}`, length]);
        expect((await sendRaw(server.port, bytes)).status).toBe(200);
      }
    },
  );

  it('takes an empty one in chunks', async () => {
    const bytes = `${request('DELETE /auth/sessions/1', ['Content-Type: text/plain', 'Transfer-Encoding: chunked'])}0\r\n\r\n`;
    expect((await sendRaw(server.port, bytes)).status).toBe(200);
  });
});

describe('forms', () => {
  const form = (body: string, headers: Record<string, string> = {}) =>
    post(`${server.url}/session`, body, { 'content-type': 'application/x-www-form-urlencoded', ...headers });

  it('are read where a route asks for them, as strings', async () => {
    const answer = await form('email=a%40b.example&password=p%C3%A4ss+word%2B&remember=true', {
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
    });
    expect([answer.status, JSON.parse(answer.body)]).toEqual([
      200,
      { email: 'a@b.example', password: 'päss word+', remember: 'true' },
    ]);
  });

  it('beside JSON', async () => {
    expect((await post(`${server.url}/session`, GOOD)).status).toBe(200);
  });

  it.each([
    ['a field twice', 'email=a&email=b&password=x'],
    ['a field twice, once escaped', 'email=a&%65mail=b&password=x'],
    ['a bad escape', 'email=%zz&password=x'],
    ['an escape that is no UTF-8', 'email=%ff&password=x'],
    ['U+0000', 'email=a%00&password=x'],
    ['__proto__', '__proto__=x&email=a&password=x'],
    ['101 fields', Array.from({ length: 101 }, (_, i) => `n${i}=1`).join('&')],
  ])('%s: malformed_body', async (_name, body) => {
    expectProblem(await form(body), 'malformed_body');
  });

  it.each([
    ['IV53 arrays', 'email[]=a&password=x'],
    ['objects', 'email[x]=a&password=x'],
    ['a name alone', 'email'],
    ['unknown fields', 'email=a&password=x&role=admin'],
  ])('%s are other names: validation_failed', async (_name, body) => {
    expectProblem(await form(body), 'validation_failed');
  });

  it('CS11 a form that looks like JSON is a form', async () => {
    expectProblem(await form('{"email":"a","password":"=b"}'), 'validation_failed');
    expectProblem(
      await form('x', { 'content-type': 'application/x-www-form-urlencoded; charset=utf-7' }),
      'unsupported_media_type',
    );
  });
});

describe('size', () => {
  const padded = (length: number) => `${GOOD.slice(0, -1)}${' '.repeat(length - GOOD.length)}}`;

  it('16 KB pass, one byte more is 413, whatever the type', async () => {
    expect((await post(login, padded(16_384))).status).toBe(200);
    expectProblem(await post(login, padded(16_385)), 'body_too_large');
    expectProblem(await post(login, padded(16_385), { 'content-type': 'text/plain' }), 'body_too_large');
  });

  it('IV40 10,000 keys cost nothing', async () => {
    const body = `{${Array.from({ length: 10_000 }, (_, i) => `"k${i}":1`).join()}}`;
    const before = performance.now();
    expectProblem(await post(login, body), 'body_too_large');
    expect(performance.now() - before).toBeLessThan(500);
  });

  it('IV19 a body in chunks is counted as it comes, and cut', async () => {
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    const head = request('POST /auth/login', [
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
    ]);
    await expectRefusedAndClosed(server.port, [head, chunk, chunk, chunk], 'body_too_large');
  });

  it('IV20 an announced 10 GB is refused before any of it is read', async () => {
    const head = request('POST /auth/login', [
      'Content-Type: application/json',
      'Content-Length: 10000000000',
    ]);
    const answer = await sendRaw(server.port, head);
    expectProblem(answer, 'body_too_large');
    expectProblem(
      await sendRaw(server.port, request('GET /auth/me', ['Content-Length: 10000000000'])),
      'body_too_large',
    );
  });

  it('IV25 50,000 variation selectors are 413', async () => {
    expectProblem(
      await post(login, `{"email":"a","password":"${'\u{fe0f}'.repeat(50_000)}"}`),
      'body_too_large',
    );
  });

  it('the connection is as good as new after a refusal of a small body', async () => {
    const bad = request('POST /auth/login', ['Content-Type: application/json'], '{}');
    const answer = await sendRaw(server.port, [bad + request('GET /auth/me', ['Connection: close'])], {
      untilClosed: true,
    });
    expect(answer.text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 200']);
  });
});

it('query strings of all shapes are ignored where none is declared', async () => {
  const answer = await call(`${server.url}/auth/me?email=x&__proto__[a]=1&a[b][c]=2&a=1&a=2&%E0%A4%A`);
  expect(answer.status).toBe(200);
  expectEveryHeader(answer);
});
