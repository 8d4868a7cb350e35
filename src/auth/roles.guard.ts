import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { Problem } from '../http/problem.js';
import type { AuthenticatedRequest } from '../principal/authentication.js';
import { ROLES } from '../principal/decorators.js';

/** Lets a request to a route with `@Roles(...)` through when the caller has at least one of them. */
@Injectable()
export class RolesGuard implements CanActivate {
  private readonly roles = new WeakMap<object, readonly string[] | null>();

  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): true {
    const required = this.requiredFor(context);
    if (required === null) return true;
    const held =
      context.switchToHttp().getRequest<AuthenticatedRequest>().authentication?.principal.roles ?? [];
    if (required.some((role) => held.includes(role))) return true;
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
