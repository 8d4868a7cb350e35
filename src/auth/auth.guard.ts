import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../http/problem.js';
import type { AuthenticatedRequest, Authentication } from '../principal/authentication.js';
import { ACCEPTS, PUBLIC } from '../principal/decorators.js';
import { AddressThrottle } from '../throttle/address-throttle.js';
import { type AuthStrategy, CredentialRejected } from './auth-strategy.js';
import { Authenticator } from './authenticator.js';
import { EnabledStrategies } from './enabled-strategies.js';
import { HttpExchange } from './http-exchange.js';
import { CREDENTIAL_RULE, type CredentialRule } from './route-credentials.js';

interface RouteRule {
  readonly open: boolean;
  readonly rule: CredentialRule | undefined;
  readonly accepted: readonly AuthStrategy[];
}

/** Closes every route that is not marked `@Public()`: no live credential, no handler. */
@Injectable()
export class AuthGuard implements CanActivate {
  /** Metadata by handler: read once, not on each request. */
  private readonly rules = new WeakMap<object, RouteRule>();

  constructor(
    private readonly reflector: Reflector,
    private readonly strategies: EnabledStrategies,
    private readonly authenticator: Authenticator,
    private readonly requests: AddressThrottle,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const rule = this.rules.get(context.getHandler()) ?? this.ruleOf(context);
    if (rule.open) return true;
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest & AuthenticatedRequest>();
    const exchange = new HttpExchange(request, http.getResponse<FastifyReply>());
    if (rule.rule === undefined) {
      const known = this.authenticator.fromCache(exchange, rule.accepted);
      if (known) {
        request.authentication = known;
        return true;
      }
    }
    return this.admit(rule, request, exchange);
  }

  private async admit(rule: RouteRule, request: AuthenticatedRequest, exchange: HttpExchange): Promise<true> {
    try {
      request.authentication = await this.authenticate(rule, exchange);
      return true;
    } catch (error) {
      if (!(error instanceof CredentialRejected)) throw error;
      // Logout takes the client's cookies back even when there is nothing left to end.
      if (rule.rule === 'any') for (const strategy of this.strategies.all) strategy.discard(exchange);
      if (rule.rule === 'refresh') await this.requests.refusedRefresh(exchange);
      throw new Problem(error.code, { detail: error.detail ?? this.advice(error, exchange) });
    }
  }

  private async authenticate(
    { rule, accepted }: RouteRule,
    exchange: HttpExchange,
  ): Promise<Authentication | undefined> {
    switch (rule) {
      case 'any':
        return this.authenticator.authenticateByAny(exchange);
      case 'refresh':
        return this.authenticator.authenticateRefresh(exchange);
      case 'exchange':
        return this.authenticator.authenticateExchange(exchange);
      case undefined:
        return this.authenticator.authenticate(exchange, accepted);
    }
  }

  private ruleOf(context: ExecutionContext): RouteRule {
    const targets = [context.getHandler(), context.getClass()];
    const names = this.reflector.getAllAndOverride<string[] | undefined>(ACCEPTS, targets);
    const rule: RouteRule = {
      open: this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC, targets) === true,
      rule: this.reflector.getAllAndOverride<CredentialRule | undefined>(CREDENTIAL_RULE, targets),
      accepted: names ? this.strategies.all.filter(({ name }) => names.includes(name)) : this.strategies.all,
    };
    this.rules.set(context.getHandler(), rule);
    return rule;
  }

  /** What to do about a 401, for the engineer who sees it first. */
  private advice({ code }: CredentialRejected, { request }: HttpExchange): string | undefined {
    if (code === 'credential_expired') return 'Refresh, or sign in again.';
    if (code !== 'credential_missing') return undefined;
    const advice: string[] = [];
    if (this.strategies.all.some(({ ambient }) => ambient)) {
      advice.push(
        request.headers.cookie === undefined
          ? "No cookie arrived. A page must ask the browser to send it: fetch with credentials: 'include', axios with withCredentials: true; from another origin, that origin must be in CORS_ORIGINS."
          : 'Cookies arrived, but no session cookie was among them.',
      );
    }
    if (this.strategies.all.some(({ ambient }) => !ambient))
      advice.push('Send "Authorization: Bearer <token>".');
    return advice.join(' Or: ');
  }
}
