import { PROBLEMS, type ProblemCode } from '../../../src/http/problem.js';
import { ProblemSchema } from '../../../src/http/problem.schema.js';
import { type RawAnswer, sendRaw } from './raw.js';

/** The headers of every answer of an http origin. */
export const EVERY_ANSWER = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
  vary: 'Origin, Cookie, Authorization',
};

/** An answer, whoever received it. */
export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Fetches, and takes the answer apart. A redirect is an answer like others. */
export async function call(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  return { status: response.status, headers: new Map(response.headers), body: await response.text() };
}

/** A POST of JSON text. */
export function post(
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
) {
  return call(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
}

/** Judges everything that a refusal must have: the document, its headers, those of every answer, and no cookie. */
export function expectProblem(answer: Answer, code: ProblemCode) {
  const { status } = PROBLEMS[code];
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expectEveryHeader(answer);
  expect(answer.headers.has('set-cookie')).toBe(false);
  expect(answer.headers.has('www-authenticate')).toBe(status === 401);
  expect(answer.headers.has('retry-after')).toBe(status === 429 || status === 503);
  expect(answer.headers.has('allow')).toBe(status === 405);
  expect(Number(answer.headers.get('content-length'))).toBe(Buffer.byteLength(answer.body));
  const problem = ProblemSchema.parse(JSON.parse(answer.body));
  expect(problem).toMatchObject({
    code,
    status,
    type: `urn:latchkey:problem:${code}`,
    title: PROBLEMS[code].title,
  });
  expect(problem.requestId).toBe(answer.headers.get('x-request-id'));
  return problem;
}

/** The security headers, and a request id of 64 bits in hex. */
export function expectEveryHeader(answer: Answer): void {
  for (const [name, value] of Object.entries(EVERY_ANSWER))
    expect([name, answer.headers.get(name)]).toEqual([name, value]);
  expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{16}$/);
  for (const name of ['x-powered-by', 'server', 'etag']) expect(answer.headers.has(name)).toBe(false);
}

/** Sends bytes and expects a refusal after which the server closes the connection. */
export async function expectRefusedAndClosed(
  port: number,
  bytes: string | Buffer | (string | Buffer)[],
  code: ProblemCode,
): Promise<RawAnswer> {
  const answer = await sendRaw(port, bytes, { untilClosed: true });
  expectProblem(answer, code);
  expect(answer.headers.get('connection')).toBe('close');
  expect(answer.closed).toBe(true);
  return answer;
}
