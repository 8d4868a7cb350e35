import type { Socket } from 'node:net';
import { FastifyAdapter, RouteConfig } from '@nestjs/platform-fastify';
import { type FastifyInstance, fastify } from 'fastify';
import type { AppConfig } from '../config/app-config.js';
import { useBodyParser } from './body-parser.js';
import { ConnectionErrors } from './connection-errors.js';
import { createCors } from './cors.js';
import { type EdgeParts, MAX_BODY, createEdge } from './edge.js';
import { KnownPaths, ROUTER_OPTIONS } from './known-paths.js';
import type { Logger } from './logger.js';
import { createProxyTrust } from './proxy-trust.js';
import { inboundRequestId, newRequestId } from './request-id.js';
import { FastifyFaults, createRequestLog } from './request-log.js';
import { securityHeaders } from './security-headers.js';
import './fastify-types.js';

const MAX_HEADERS = 16_384;
const HEADERS_MILLISECONDS = 10_000;
/** To receive all of a request. */
const REQUEST_MILLISECONDS = 15_000;
const KEEP_ALIVE_MILLISECONDS = 65_000;
/** Without a byte in either direction. Also cuts a handler that takes this long, so it is above everything else. */
const SILENCE_MILLISECONDS = 20_000;
/** How often Node looks for connections that are past one of these. */
const CHECK_MILLISECONDS = 1000;
/** Requests in flight get this long to end at shutdown; then their connections are cut. */
const DRAIN_MILLISECONDS = 8000;

/** Lets a route take `application/x-www-form-urlencoded` besides JSON. */
export const AcceptsForm = () => RouteConfig({ form: true });

/**
 * Fastify under Nest, with every limit of the contract. The instance is made here, not by Nest, so that our first hook runs
 * before all of Nest's and for every request that the router sees.
 */
export function createHttpAdapter(config: AppConfig, logger: Logger): FastifyAdapter {
  const { server } = config;
  const trust = createProxyTrust(server.trustProxy);
  const headers = securityHeaders(server.isHttps);
  const errors = new ConnectionErrors(headers);
  const parts: EdgeParts = { headers, cors: createCors(config), paths: new KnownPaths(), isClosing: false };

  const instance = fastify({
    bodyLimit: MAX_BODY,
    requestTimeout: REQUEST_MILLISECONDS,
    connectionTimeout: SILENCE_MILLISECONDS,
    keepAliveTimeout: KEEP_ALIVE_MILLISECONDS,
    http: {
      maxHeaderSize: MAX_HEADERS,
      headersTimeout: HEADERS_MILLISECONDS,
      connectionsCheckingInterval: CHECK_MILLISECONDS,
      // Node would answer a missing Host with an empty 400; the edge does it with a document.
      requireHostHeader: false,
    },
    routerOptions: ROUTER_OPTIONS,
    trustProxy: trust ?? false,
    genReqId: (raw) => {
      const { remoteAddress } = raw.socket;
      if (trust !== null && remoteAddress !== undefined && trust(remoteAddress, 0)) {
        return inboundRequestId(raw.headers['x-request-id']) ?? newRequestId();
      }
      return newRequestId();
    },
    logController: new FastifyFaults(logger),
    // Requests that come over open connections while we close are served, not refused: each answer says `Connection: close`.
    return503OnClosing: false,
    clientErrorHandler: errors.onClientError,
    frameworkErrors: (_error, request, reply) => errors.writeBadPath(request.id, reply.raw),
  });
  // Node would drop what comes after 2,000 headers in silence, X-Forwarded-For included; their size is bounded anyway.
  instance.server.maxHeadersCount = 0;
  errors.attachTo(instance.server);
  instance.decorate('proxyTrust', trust);
  instance.decorateReply('cookiesToExpire', null);
  instance.addHook('onRoute', (route) => parts.paths.add(route));
  instance.addHook('onRequest', createEdge(parts));
  instance.addHook('onResponse', createRequestLog(logger));
  useBodyParser(instance);
  return new HttpAdapter(instance, parts);
}

class HttpAdapter extends FastifyAdapter {
  private readonly sockets = new Set<Socket>();

  constructor(
    instance: FastifyInstance,
    private readonly parts: EdgeParts,
  ) {
    super(instance);
    instance.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /** Nest's own parsers would take more than ours do; whoever forgets `bodyParser: false` must not get them. */
  override registerParserMiddleware(): void {
    return;
  }

  /** Before Nest's shutdown hooks: from here on no answer keeps its connection. */
  override beforeClose(): void {
    this.parts.isClosing = true;
    super.beforeClose();
  }

  /** Waits for requests in flight. Browsers open connections in advance and say nothing: those would hold us up for long. */
  override async close(): Promise<void> {
    const { server } = this.instance;
    for (const socket of this.sockets) if (socket.bytesRead === 0) socket.destroy();
    const deadline = setTimeout(() => server.closeAllConnections(), DRAIN_MILLISECONDS);
    try {
      await super.close();
    } finally {
      clearTimeout(deadline);
    }
  }
}
