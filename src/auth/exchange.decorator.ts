import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { HttpExchange } from './http-exchange.js';

/** The request and its answer as strategies need them: for handlers that hand out or take back credentials. */
export const Exchange = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const http = context.switchToHttp();
  return new HttpExchange(http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
});
