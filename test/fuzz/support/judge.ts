import { PROBLEMS } from '../../../src/http/problem.js';
import { ProblemSchema } from '../../../src/http/problem.schema.js';
import { parseSetCookie } from '../../support/cookie-jar.js';
import type { DocumentedRoute } from './documented-routes.js';
import type { Input } from './input.js';
import type { WireAnswer } from './wire.js';

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';
/** What tells a reader how the inside is made. */
const INNARDS =
  /\bselect\b|insert into|\bupdate \w+ set|from users|relation "|constraint|column|postgres|\bpg_|sqlstate|typeorm|fastify|node_modules|\.[jt]s:\d|at \w+ \(|stack|duplicate key|argon2|signing_keys|principal_changes|audit_events/i;
/** Their refusals say that the cookies which they were sent are over (contract 5, rule 5). */
const LOGOUTS = ['POST /auth/logout', 'DELETE /session'];

/** What is wrong with an answer, whatever it was asked; null when nothing is. */
export function wrongWith(
  answer: WireAnswer | null,
  input: Input,
  route: DocumentedRoute | undefined,
): string | null {
  if (answer === null) return 'no answer';
  const { status, body } = answer;
  if (status >= 500 || status < 200 || Number.isNaN(status)) return `status ${status}: ${body.slice(0, 300)}`;
  const isHead = input.method === 'HEAD';
  if (status >= 400) {
    const wrong = wrongWithProblem(answer, isHead);
    if (wrong !== null) return wrong;
  }
  if (status >= 300) {
    const cookies = only(answer, 'set-cookie').filter((line) => !isExpiryByLogout(line, status, input));
    if (cookies.length > 0) return `${status} with a cookie: ${cookies.join(', ')}`;
  }
  return route === undefined ? null : wrongWithDocumented(answer, route);
}

function wrongWithProblem(answer: WireAnswer, isHead: boolean): string | null {
  const { status, body } = answer;
  const [type, ...otherTypes] = only(answer, 'content-type');
  if (type !== PROBLEM_TYPE || otherTypes.length > 0) return `${status} as ${type}`;
  if (status === 401 && only(answer, 'www-authenticate').length !== 1) return '401 without WWW-Authenticate';
  // A request line that nobody could read was not known to be one.
  if (isHead && body === '') return null;
  const parsed = ProblemSchema.safeParse(parseJson(body));
  if (!parsed.success) return `${status} with another body than documented: ${body.slice(0, 300)}`;
  const { code, requestId, errors } = parsed.data;
  if (PROBLEMS[code].status !== status || parsed.data.status !== status) return `${status} that says ${code}`;
  if (code === 'validation_failed' && errors === undefined) return 'validation_failed without errors';
  if (only(answer, 'x-request-id').join() !== requestId) return 'another request id in header and body';
  const [leak] = INNARDS.exec(body.replaceAll(requestId, '')) ?? [];
  return leak === undefined ? null : `"${leak}" in ${body}`;
}

/** A success has the status, the type and the emptiness that the document says. */
function wrongWithDocumented(answer: WireAnswer, { operation }: DocumentedRoute): string | null {
  const { status, body } = answer;
  const documented = operation.responses[status] ?? operation.responses[`${Math.floor(status / 100)}XX`];
  if (documented === undefined) return `${status}, which is not documented`;
  if (status >= 300) return null;
  const types = Object.keys(documented.content ?? {});
  const [type = ''] = only(answer, 'content-type').map((value) => value.split(';')[0] ?? '');
  if (types.length === 0) return body === '' || status !== 204 ? null : `204 with ${body}`;
  if (!types.includes(type)) return `${status} as ${type}`;
  return parseJson(body) === undefined ? `${status} with no JSON: ${body.slice(0, 300)}` : null;
}

function isExpiryByLogout(line: string, status: number, { route, method, target }: Input): boolean {
  const isLogout = LOGOUTS.includes(route ?? `${method} ${target.split('?')[0]}`);
  return status === 401 && isLogout && parseSetCookie(line).attributes['max-age'] === '0';
}

function only({ headers }: WireAnswer, name: string): string[] {
  return headers.filter(([other]) => other === name).map(([, value]) => value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
