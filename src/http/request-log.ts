import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, onResponseHookHandler } from 'fastify';
import { LogController } from 'fastify';
import type { Logger } from './logger.js';

const SLOW_MILLISECONDS = 1000;

/**
 * One line for each answer that an operator should see: 5xx as error (503, which heals by itself, as warn), and those that took
 * over a second as warn. At `LOG_LEVEL=debug` one for every answer. A request that goes well costs two comparisons.
 */
export function createRequestLog(logger: Logger): onResponseHookHandler {
  return function logAnswer(
    request: FastifyRequest,
    reply: FastifyReply,
    done: HookHandlerDoneFunction,
  ): void {
    const status = reply.raw.statusCode;
    const milliseconds = reply.elapsedTime;
    if (status >= 500 || milliseconds >= SLOW_MILLISECONDS || logger.isLevelEnabled('debug')) {
      const line = {
        requestId: request.id,
        method: request.method,
        path: request.routeOptions.url ?? pathOf(request.url),
        status,
        milliseconds: Math.round(milliseconds),
      };
      if (status >= 500 && status !== 503) logger.error(line, 'answered');
      else if (status === 503 || milliseconds >= SLOW_MILLISECONDS) logger.warn(line, 'answered');
      else logger.debug(line, 'answered');
    }
    done();
  };
}

/** The path without the query, which may hold what people should not have put there. */
function pathOf(url: string): string {
  return url.split('?', 1)[0]?.slice(0, 200) ?? '';
}

/** Fastify's own log, cut down to what goes wrong after the handler is done; lines per request are ours. */
export class FastifyFaults extends LogController {
  constructor(private readonly logger: Logger) {
    super({ disableRequestLogging: true });
  }

  override streamError(error: Error, request: FastifyRequest): void {
    this.report(error, request);
  }

  override writeHeadError(error: Error, request: FastifyRequest): void {
    this.report(error, request);
  }

  override serializerError(error: Error, request: FastifyRequest): void {
    this.report(error, request);
  }

  private report(error: Error, request: FastifyRequest): void {
    this.logger.warn({ requestId: request.id, err: error }, 'answer not completed');
  }
}
