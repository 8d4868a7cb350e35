import { type RequestListener, type Server, createServer } from 'node:http';

/** How much of everything a client may take. Times are milliseconds, sizes bytes. */
export interface HttpLimits {
  /** Request line and headers together. */
  readonly headerBytes: number;
  /** To receive the headers of a request. */
  readonly headers: number;
  /** To receive all of a request. */
  readonly request: number;
  /** Between two requests of one connection. */
  readonly keepAlive: number;
  /** Without a byte in either direction. Also cuts a handler that takes this long, so it is above the other limits of a request. */
  readonly silence: number;
  /** How often Node looks for connections that are past one of these. */
  readonly check: number;
  /** For requests in flight to end at shutdown; then their connections are cut. */
  readonly drain: number;
}

/** The limits of the contract; tests of slow clients pass shorter ones. */
export const HTTP_LIMITS: HttpLimits = {
  headerBytes: 16_384,
  headers: 10_000,
  request: 15_000,
  keepAlive: 65_000,
  silence: 20_000,
  check: 1000,
  drain: 8000,
};

/** Node's server with these limits. */
export function createHttpServer(listener: RequestListener, limits: HttpLimits): Server {
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headers,
      requestTimeout: limits.request,
      keepAliveTimeout: limits.keepAlive,
      connectionsCheckingInterval: limits.check,
      // Node would answer a missing Host with an empty 400; the edge does it with a document.
      requireHostHeader: false,
    },
    listener,
  );
  server.timeout = limits.silence;
  // Node would drop what comes after 2,000 headers in silence, X-Forwarded-For included; their size is bounded anyway.
  server.maxHeadersCount = 0;
  return server;
}
