import type { IncomingMessage } from 'node:http';
import { type FastifyAdapter, RouteConfig } from '@nestjs/platform-fastify';
import { fastify } from 'fastify';
import type { AppConfig } from '../config/app-config.js';
import { useBodyParser } from './body-parser.js';
import { ConnectionErrors } from './connection-errors.js';
import { createCors } from './cors.js';
import { type EdgeParts, MAX_BODY, createEdge } from './edge.js';
import { EdgeAdapter } from './edge-adapter.js';
import { HTTP_LIMITS, createHttpServer } from './http-server.js';
import { KnownPaths, ROUTER_OPTIONS } from './known-paths.js';
import type { Logger } from './logger.js';
import { type ProxyTrust, createProxyTrust } from './proxy-trust.js';
import { inboundRequestId, newRequestId } from './request-id.js';
import { FastifyFaults, createRequestLog } from './request-log.js';
import { securityHeaders } from './security-headers.js';
import './fastify-types.js';

/** Lets a route take `application/x-www-form-urlencoded` besides JSON. */
export const AcceptsForm = () => RouteConfig({ form: true });

/** Nothing is read after the headers: for gateways, which ask about a request without its body and may leave its length in. */
export const IgnoresBody = () => RouteConfig({ ignoresBody: true });

/**
 * Fastify under Nest, with every limit of the contract. The instance is made here, not by Nest, so that our first hook runs
 * before all of Nest's and for every request that the router sees.
 */
export function createHttpAdapter(config: AppConfig, logger: Logger, limits = HTTP_LIMITS): FastifyAdapter {
  const { server } = config;
  const trust = createProxyTrust(server.trustProxy);
  const headers = securityHeaders(server.isHttps);
  const errors = new ConnectionErrors(headers);
  const parts: EdgeParts = { headers, cors: createCors(config), paths: new KnownPaths(), isClosing: false };

  const instance = fastify({
    bodyLimit: MAX_BODY,
    // Also keeps Fastify from opening a second server for the other address of `localhost`, which our handlers would not know.
    serverFactory: (listener) => {
      const httpServer = createHttpServer(listener, limits);
      errors.attachTo(httpServer);
      return httpServer;
    },
    routerOptions: { ...ROUTER_OPTIONS, compile: true },
    trustProxy: trust ?? false,
    genReqId: trust === null ? newRequestId : (raw) => requestIdBehind(trust, raw),
    logController: new FastifyFaults(logger),
    // Requests that come over open connections while we close are served, not refused: each answer says `Connection: close`.
    return503OnClosing: false,
    clientErrorHandler: errors.onClientError,
    frameworkErrors: (_error, request, reply) => errors.writeBadPath(request.id, reply.raw),
  });
  instance.decorate('proxyTrust', trust);
  instance.addHook('onRoute', (route) => parts.paths.add(route));
  instance.addHook('onRequest', createEdge(parts));
  instance.addHook('onResponse', createRequestLog(logger));
  useBodyParser(instance);
  return EdgeAdapter.around(instance, parts, limits.drain);
}

/** A trusted proxy may name the request, so that its log and ours can be read together. */
function requestIdBehind(trust: ProxyTrust, raw: IncomingMessage): string {
  const { remoteAddress } = raw.socket;
  const inbound =
    remoteAddress !== undefined && trust(remoteAddress, 0) ? raw.headers['x-request-id'] : undefined;
  return inboundRequestId(inbound) ?? newRequestId();
}
