import { PRIVATE_CACHING, API_POLICY, type HeaderMap } from './security-headers.js';
import { PROBLEMS, type Problem } from './problem.js';

/** The media type of RFC 9457. The charset is for clients that guess otherwise. */
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

const URN = 'urn:latchkey:problem:';
const MAX_ERRORS = 20;
/** Seconds, where whoever threw a 429 or 503 did not say when to come back. */
const DEFAULT_RETRY_AFTER = 2;

/** The body of a refusal (RFC 9457), as text. `requestId` is that of the `X-Request-Id` header. */
export function problemDocument(problem: Problem, requestId: string): string {
  const { code, detail, errors } = problem;
  const { status, title } = PROBLEMS[code];
  return JSON.stringify({
    type: URN + code,
    title,
    status,
    code,
    detail,
    errors: errors?.slice(0, MAX_ERRORS),
    requestId,
  });
}

/**
 * The headers that belong to a refusal. They take the place of what a handler had set for its success: a refusal is
 * never cached and never runs anything.
 */
export function problemHeaders(problem: Problem): HeaderMap {
  const headers: Record<string, string> = {
    ...PRIVATE_CACHING,
    'content-type': PROBLEM_TYPE,
    'content-security-policy': API_POLICY,
  };
  const { status } = PROBLEMS[problem.code];
  if (status === 429 || status === 503) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(problem.retryAfterSeconds ?? DEFAULT_RETRY_AFTER)));
  }
  if (problem.allow !== undefined) headers['allow'] = problem.allow;
  return headers;
}
