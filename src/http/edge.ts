import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, onRequestHookHandler } from 'fastify';
import type { Cors } from './cors.js';
import type { KnownPaths } from './known-paths.js';
import { Problem } from './problem.js';
import { headerCount } from './raw-headers.js';
import type { HeaderMap } from './security-headers.js';

/** Bytes of a body at most. */
export const MAX_BODY = 16_384;
/** Characters of a request target at most. */
export const MAX_URL = 2048;

const SLASH = 0x2f;
/** What no host has: a list, a path, a user, a query, white space. */
const NO_HOST = /[\s,/?#@\\]/;

const BAD_TARGET = new Problem('malformed_request', { detail: 'the request target is not a path' });
const BAD_HOST = new Problem('malformed_request', { detail: 'exactly one Host header is needed' });
const TOO_LONG = new Problem('uri_too_long', { detail: `at most ${MAX_URL} characters` });
const NOT_FOUND = new Problem('not_found');
const TOO_LARGE = new Problem('body_too_large', { detail: `at most ${MAX_BODY} bytes` });

/** What the first hook works with; `isClosing` changes when the process begins to shut down. */
export interface EdgeParts {
  readonly headers: HeaderMap;
  readonly cors: Cors | null;
  readonly paths: KnownPaths;
  isClosing: boolean;
}

/**
 * The first hook of every request: puts the headers on that each answer has, then refuses what needs no credential to be
 * refused, in the order of the contract and before any body is read. Fastify would read the body first, and knows no 405.
 */
export function createEdge(parts: EdgeParts): onRequestHookHandler {
  const { headers, cors, paths } = parts;
  return function edge(request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    const { raw } = request;
    reply.headers(headers);
    reply.header('x-request-id', request.id);
    if (cors !== null && raw.headers.origin !== undefined) cors(raw.headers.origin, request, reply);
    // A client that keeps its connection would send the next request to a process that is gone by then.
    if (parts.isClosing) reply.header('connection', 'close');

    const refusal = refuseTarget(raw);
    if (refusal !== null) done(refusal);
    else if (request.is404) answerUnrouted(paths, request, reply, done);
    else if (request.routeOptions.config.ignoresBody === true) {
      if (forgetBody(raw)) reply.header('connection', 'close');
      done();
    } else if (isBodyTooLarge(raw)) done(TOO_LARGE);
    else {
      ignoreTypeOfNothing(raw);
      done();
    }
  };
}

function refuseTarget(raw: IncomingMessage): Problem | null {
  const { url = '', headers } = raw;
  // Node passes `GET *x` on, which routers read as `/x`. Absolute URLs are for us too (RFC 9112, section 3.2.2).
  if (url.charCodeAt(0) !== SLASH && !/^https?:\/\//i.test(url)) return BAD_TARGET;
  if (url.includes('%00')) return BAD_TARGET;
  const { host } = headers;
  if (host === undefined) {
    if (raw.httpVersion !== '1.0') return BAD_HOST;
  } else if (NO_HOST.test(host) || headerCount(raw.rawHeaders, 'host') > 1) {
    return BAD_HOST;
  }
  return url.length > MAX_URL ? TOO_LONG : null;
}

/** No route: 404, or for a path that has other methods 405, or what OPTIONS asks for. */
function answerUnrouted(
  paths: KnownPaths,
  request: FastifyRequest,
  reply: FastifyReply,
  done: HookHandlerDoneFunction,
): void {
  const allow = paths.allow(request.url);
  if (allow === null) done(NOT_FOUND);
  else if (request.method === 'OPTIONS') reply.code(204).header('allow', allow).send();
  else done(new Problem('method_not_allowed', { allow }));
}

function isBodyTooLarge(raw: IncomingMessage): boolean {
  const length = raw.headers['content-length'];
  return length !== undefined && Number(length) > MAX_BODY;
}

/**
 * Makes a request one without a body. @returns whether one was announced: it may never come, or be taken for the next request, so
 * nothing more can be read from this connection
 */
function forgetBody({ headers }: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers;
  headers['content-type'] = undefined;
  headers['content-length'] = undefined;
  headers['transfer-encoding'] = undefined;
  return encoding !== undefined || (length !== undefined && length !== '0');
}

/** A request without a body is one whatever its Content-Type says; Fastify would judge the type of nothing. */
function ignoreTypeOfNothing(raw: IncomingMessage): void {
  const { headers } = raw;
  if (headers['content-type'] === undefined || headers['transfer-encoding'] !== undefined) return;
  const length = headers['content-length'];
  if (length === undefined || length === '0') headers['content-type'] = undefined;
}
