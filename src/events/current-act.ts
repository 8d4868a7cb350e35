import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { AuthenticatedRequest } from '../principal/authentication.js';
import { actOf } from './act.js';

/** The act of this request, for handlers that change something worth recording. */
export const CurrentAct = createParamDecorator((_: unknown, context: ExecutionContext) =>
  actOf(context.switchToHttp().getRequest<FastifyRequest & AuthenticatedRequest>()),
);
