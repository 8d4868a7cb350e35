import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { actOf } from '../events/act.js';
import { SecurityEvents } from '../events/security-events.js';
import { Problem } from '../http/problem.js';
import type { AuthenticatedRequest } from '../principal/authentication.js';
import { ROLES } from '../principal/decorators.js';

/** Lets a request to a route with `@Roles(...)` through when the caller has at least one of them. */
@Injectable()
export class RolesGuard implements CanActivate {
  private readonly roles = new WeakMap<object, readonly string[] | null>();

  constructor(
    private readonly reflector: Reflector,
    private readonly events: SecurityEvents,
  ) {}

  canActivate(context: ExecutionContext): true | Promise<never> {
    const required = this.requiredFor(context);
    if (required === null) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest & AuthenticatedRequest>();
    const held = request.authentication?.principal.roles ?? [];
    if (required.some((role) => held.includes(role))) return true;
    return this.refuse(required, request);
  }

  private async refuse(
    required: readonly string[],
    request: FastifyRequest & AuthenticatedRequest,
  ): Promise<never> {
    const { principal } = request.authentication ?? {};
    if (principal) {
      const { userId, sessionId } = principal;
      const act = actOf(request);
      const { address, userAgent } = act;
      await this.events.publish(
        { type: 'access_refused', userId, sessionId, required, address, userAgent },
        undefined,
        act,
      );
    }
    throw new Problem('forbidden', { detail: 'Your account does not have the role that this needs.' });
  }

  private requiredFor(context: ExecutionContext): readonly string[] | null {
    const handler = context.getHandler();
    let required = this.roles.get(handler);
    if (required === undefined) {
      required =
        this.reflector.getAllAndOverride<string[] | undefined>(ROLES, [handler, context.getClass()]) ?? null;
      this.roles.set(handler, required);
    }
    return required;
  }
}
