import { HttpException } from '@nestjs/common';
import { Problem, type ProblemCode } from './problem.js';

/** What Nest's and Fastify's own exceptions mean in our list. A status that is not here is nothing we ever answer. */
const CODE_BY_STATUS: Readonly<Record<number, ProblemCode>> = {
  400: 'malformed_request',
  401: 'credential_invalid',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'request_timeout',
  413: 'body_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  429: 'too_many_requests',
  431: 'headers_too_large',
  503: 'unavailable',
};

/** Fastify's names for a body that came out wrong: shorter or longer than announced, or not to be read. */
const BODY_ERROR = /^FST_ERR_CTP_/;

/**
 * The problem to answer with when `error` was thrown. Only a {@link Problem} chooses its words; of everything else the
 * client sees a code and a title, whatever the message says.
 */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (!(error instanceof HttpException)) return new Problem('internal_error', { cause: error });
  const code =
    CODE_BY_STATUS[error.getStatus()] ?? (error.getStatus() < 500 ? 'malformed_request' : 'internal_error');
  if (code === 'malformed_request' && BODY_ERROR.test(errorCode(error.cause))) {
    return new Problem('malformed_body', { cause: error });
  }
  return new Problem(code, { cause: error });
}

function errorCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}
