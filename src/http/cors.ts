import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AppConfig } from '../config/app-config.js';
import { isIn } from './listed-origin.js';

const METHODS = 'GET, HEAD, POST, PATCH, PUT, DELETE';
const REQUEST_HEADERS = 'Content-Type, Authorization, X-CSRF-Token, X-Requested-With, X-Request-Id';
const EXPOSED = 'X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate';
const PREFLIGHT_SECONDS = '600';

/** Puts the CORS headers on the answer to a request that has an `Origin`. An origin that is not listed gets none. */
export type Cors = (origin: string, request: FastifyRequest, reply: FastifyReply) => void;

/**
 * Cross-origin access with credentials for `CORS_ORIGINS` (Fetch standard, section 3.2). `Vary: Origin` is on every answer
 * anyway (security-headers.ts). Null when no other origin is listed.
 */
export function createCors(config: AppConfig): Cors | null {
  if (config.server.corsOrigins.length === 0) return null;
  const isAllowed = isIn(new Set(config.server.corsOrigins));
  return (origin, request, reply) => {
    if (!isAllowed(origin)) return;
    reply.header('access-control-allow-origin', origin);
    reply.header('access-control-allow-credentials', 'true');
    if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined) {
      reply.header('access-control-allow-methods', METHODS);
      reply.header('access-control-allow-headers', REQUEST_HEADERS);
      reply.header('access-control-max-age', PREFLIGHT_SECONDS);
    } else {
      reply.header('access-control-expose-headers', EXPOSED);
    }
  };
}
