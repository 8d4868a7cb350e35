import { HttpException } from '@nestjs/common';

/**
 * The closed list of problem codes, with the HTTP status and the title of each. Titles may change, codes and statuses not:
 * clients branch on the code. `docs/error-codes.md` says when each is sent and what a client should do.
 */
export const PROBLEMS = {
  validation_failed: { status: 400, title: 'Some fields are not valid' },
  malformed_body: { status: 400, title: 'The body could not be read' },
  malformed_request: { status: 400, title: 'The request could not be read' },
  credential_conflict: { status: 400, title: 'The request carries credentials that contradict each other' },
  credential_missing: { status: 401, title: 'This needs a sign-in' },
  credential_invalid: { status: 401, title: 'The credential is not valid' },
  credential_expired: { status: 401, title: 'The credential has expired' },
  login_failed: { status: 401, title: 'Email or password is wrong' },
  refresh_reused: { status: 401, title: 'The refresh token was used before' },
  csrf_failed: { status: 403, title: 'The request could not be told from a forged one' },
  origin_not_allowed: { status: 403, title: 'The origin of the request is not allowed' },
  forbidden: { status: 403, title: 'This is not allowed' },
  password_incorrect: { status: 403, title: 'The current password is wrong' },
  signup_closed: { status: 403, title: 'Sign-up is closed' },
  not_found: { status: 404, title: 'There is nothing here' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  email_taken: { status: 409, title: 'This email has an account already' },
  body_too_large: { status: 413, title: 'The body is too large' },
  uri_too_long: { status: 414, title: 'The URL is too long' },
  unsupported_media_type: { status: 415, title: 'The type of the body is not supported' },
  too_many_requests: { status: 429, title: 'Too many attempts' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong here' },
  overloaded: { status: 503, title: 'Too much work at the moment' },
  unavailable: { status: 503, title: 'Not available at the moment' },
} as const;

/** One of the codes of {@link PROBLEMS}. */
export type ProblemCode = keyof typeof PROBLEMS;

/** One thing that is wrong with the fields of a body, a query or a path. */
export interface ProblemIssue {
  /** Where: names of our own fields and array indexes, joined by dots. Empty for the whole. */
  readonly path: string;
  /** What: a sentence of ours that never repeats what was sent. */
  readonly message: string;
}

/** What a {@link Problem} says besides its code. Everything but `cause` goes to the client. */
export interface ProblemOptions {
  /** A sentence that helps who reads it to get it right. Never input, SQL, driver text or a path of this machine. */
  readonly detail?: string;
  /** Only with `validation_failed`; the answer holds the first 20 at most. */
  readonly errors?: readonly ProblemIssue[];
  /** For 429 and 503: the `Retry-After` header, in whole seconds (rounded up, at least 1). */
  readonly retryAfterSeconds?: number;
  /** For 405: the `Allow` header. */
  readonly allow?: string;
  /** What led to it. For the log, never for the client. */
  readonly cause?: unknown;
}

/**
 * An error that is meant for the client. Thrown anywhere below a request, it ends as an RFC 9457 problem document
 * (problem.filter.ts), with the status that belongs to its code.
 */
export class Problem extends HttpException {
  readonly code: ProblemCode;
  readonly detail: string | undefined;
  readonly errors: readonly ProblemIssue[] | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly allow: string | undefined;

  constructor(code: ProblemCode, options: ProblemOptions = {}) {
    super(PROBLEMS[code].title, PROBLEMS[code].status, { cause: options.cause });
    this.name = 'Problem';
    this.code = code;
    this.detail = options.detail;
    this.errors = options.errors;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.allow = options.allow;
  }
}
