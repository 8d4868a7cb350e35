import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { NestApplicationOptions } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { answerInProgress } from './answer-in-progress.js';
import type { EdgeParts } from './edge.js';

/**
 * Nest's adapter without the parts that the edge does in its stead, and with an end that loses no request.
 *
 * Nest adds seven hooks to each request, for features that are off here (CORS, CSRF and security headers of Nest, versioning by header, 503
 * while closing) or that the edge does (targets that are no path). Running through them for nothing costs 7 % of a small request, so they
 * are left out; whoever turns such a feature on is told at start. `edge.spec.ts` fails when Nest's hooks change.
 */
export class EdgeAdapter extends FastifyAdapter {
  private readonly sockets = new Set<Socket>();

  private constructor(
    instance: FastifyInstance,
    private readonly parts: EdgeParts,
    private readonly drainMilliseconds: number,
  ) {
    super(instance);
    instance.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /** The adapter on an instance that has its hooks already. */
  static around(instance: FastifyInstance, parts: EdgeParts, drainMilliseconds: number): EdgeAdapter {
    const addHook: unknown = Reflect.get(instance, 'addHook');
    Reflect.set(instance, 'addHook', () => instance);
    try {
      return new EdgeAdapter(instance, parts, drainMilliseconds);
    } finally {
      Reflect.set(instance, 'addHook', addHook);
    }
  }

  /** Nest's own parsers would take more than ours do; whoever forgets `bodyParser: false` must not get them. */
  override registerParserMiddleware(): void {
    return;
  }

  override enableCors(): never {
    return refuse('CORS', 'CORS_ORIGINS');
  }

  override registerSecurityHook(): never {
    return refuse('security headers and CSRF protection', 'src/http/security-headers.ts and the CSRF guard');
  }

  override applyVersionFilter(): never {
    return refuse('versioning by header', 'versions in the path');
  }

  override setOnRequestHook(): never {
    return refuse('request hook', 'src/http/edge.ts');
  }

  override setOnResponseHook(): never {
    return refuse('response hook', 'src/http/request-log.ts');
  }

  /** Text is sent as it is: Nest would look at its type for what objects, streams and errors need, 2 % of a small request. */
  override reply(response: FastifyReply | ServerResponse, body: unknown, statusCode?: number): FastifyReply {
    if (typeof body !== 'string' || !('send' in response)) return super.reply(response, body, statusCode);
    if (statusCode !== undefined) response.code(statusCode);
    return response.send(body);
  }

  override initHttpServer(options: NestApplicationOptions = {}): void {
    if (options.forceCloseConnections) refuse('forceCloseConnections', 'the end of requests in flight');
    if (options.return503OnClosing) refuse('return503OnClosing', 'Connection: close');
    super.initHttpServer(options);
  }

  /** Before Nest's shutdown hooks: from here on no answer keeps its connection. */
  override beforeClose(): void {
    this.parts.isClosing = true;
    for (const socket of this.sockets) {
      const answer = answerInProgress(socket);
      if (answer !== null) answer.shouldKeepAlive = false;
    }
    super.beforeClose();
  }

  /** Waits for requests in flight. Browsers open connections in advance and say nothing: those would hold us up for long. */
  override async close(): Promise<void> {
    const { server } = this.instance;
    for (const socket of this.sockets) if (socket.bytesRead === 0) socket.destroy();
    const deadline = setTimeout(() => server.closeAllConnections(), this.drainMilliseconds);
    try {
      await super.close();
    } finally {
      clearTimeout(deadline);
    }
  }
}

function refuse(feature: string, instead: string): never {
  throw new Error(`Nest's ${feature} would have no effect on this HTTP adapter; here it is: ${instead}`);
}
