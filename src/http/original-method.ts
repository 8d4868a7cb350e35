import type { FastifyRequest } from 'fastify';
import { isFromTrustedProxy } from './proxy-trust.js';
import { headerValues } from './raw-headers.js';

/** In which a gateway says what its client asked for. Traefik and Caddy send the first by themselves. */
const HEADERS = ['x-forwarded-method', 'x-original-method'] as const;
/** What changes nothing, by our own rules: the same two that CSRF lets pass everywhere. */
const SAFE = new Set(['GET', 'HEAD']);

/** What is known of the method of a request that a gateway asks about. */
export interface OriginalMethod {
  /** Nobody who is believed says anything but GET or HEAD, and all say the same. */
  readonly isSafe: boolean;
  /** A header came that says what the method was. */
  readonly isNamed: boolean;
  /** The header may be believed: it comes from one of `TRUST_PROXY`. */
  readonly isTrusted: boolean;
}

/**
 * The method that a gateway's client used: what the gateway says if it is a trusted one, else the method of the request itself.
 * The latter counts in either case, because some gateways repeat the client's: a header can make a request unsafe, never safe.
 */
export function originalMethod(request: FastifyRequest): OriginalMethod {
  const named = HEADERS.flatMap((name) =>
    request.headers[name] === undefined ? [] : headerValues(request.raw.rawHeaders, name),
  );
  const isTrusted = isFromTrustedProxy(request);
  const believed = isTrusted ? named : [];
  const isSafe =
    SAFE.has(request.method) && believed.every((method) => SAFE.has(method) && method === believed[0]);
  return { isSafe, isNamed: named.length > 0, isTrusted };
}
