import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { AppConfig } from '../config/app-config.js';
import { actOf } from '../events/act.js';
import { SecurityEvents } from '../events/security-events.js';
import { isListedOrigin } from '../http/listed-origin.js';
import { originalMethod } from '../http/original-method.js';
import { Problem } from '../http/problem.js';
import type { AuthenticatedRequest } from '../principal/authentication.js';
import { FORWARDED, SIGNS_IN } from '../principal/decorators.js';
import type { SessionId } from '../principal/principal.js';
import { CsrfTokens } from './csrf-tokens.js';

/** The header that carries the CSRF token. */
export const CSRF_HEADER = 'X-CSRF-Token';

type Verdict = 'pass' | 'token';

interface RouteRule {
  readonly signsIn: boolean;
  readonly forwarded: boolean;
}

/**
 * Cross-site request forgery (contract section 5): judged for unsafe methods when the browser sent a live credential unasked,
 * or when the route signs in. Sources: OWASP CSRF prevention (fetch metadata, origin, HMAC token). `Referer` is not used.
 */
@Injectable()
export class CsrfGuard implements CanActivate {
  private readonly rules = new WeakMap<object, RouteRule>();
  private readonly isListed: (origin: string) => boolean;
  private readonly always: boolean;

  constructor(
    private readonly config: AppConfig,
    private readonly reflector: Reflector,
    private readonly tokens: CsrfTokens,
    private readonly events: SecurityEvents,
  ) {
    this.isListed = isListedOrigin(config);
    this.always = config.csrf.token === 'always';
  }

  canActivate(context: ExecutionContext): true | Promise<never> {
    const request = context.switchToHttp().getRequest<FastifyRequest & AuthenticatedRequest>();
    const { signsIn, forwarded } = this.rules.get(context.getHandler()) ?? this.ruleOf(context);
    const sessions = request.authentication?.ambientSessionIds ?? [];
    try {
      if (forwarded ? sessions.length === 0 || this.isForwardedSafely(request) : isSafe(request)) return true;
      if (sessions.length > 0) this.judge(request, sessions);
      else if (signsIn) this.judgeOrigin(request);
      return true;
    } catch (error) {
      return this.refuse(error, request, sessions[0] ?? null);
    }
  }

  /** Records the refusal. The actor stays unknown: whoever made the browser send this is not its user. */
  private async refuse(
    error: unknown,
    request: FastifyRequest & AuthenticatedRequest,
    sessionId: SessionId | null,
  ): Promise<never> {
    if (error instanceof Problem && (error.code === 'csrf_failed' || error.code === 'origin_not_allowed')) {
      const { code } = error;
      const act = { ...actOf(request), actor: null };
      const { address, userAgent } = act;
      const userId = request.authentication?.user.id ?? null;
      await this.events.publish(
        { type: 'csrf_refused', userId, sessionId, code, address, userAgent },
        undefined,
        act,
      );
    }
    throw error;
  }

  /**
   * A gateway may always ask by GET. In production it has to say what its client asked for, and to be one of those that are believed:
   * else every unsafe request would pass as a safe one, and nobody would notice.
   */
  private isForwardedSafely(request: FastifyRequest): boolean {
    const { isSafe: safe, isNamed, isTrusted } = originalMethod(request);
    if (!this.config.isProduction || isNamed === isTrusted) return safe;
    throw new Problem('csrf_failed', {
      detail: isTrusted
        ? 'The gateway must send the method of the original request in X-Forwarded-Method (or X-Original-Method).'
        : 'X-Forwarded-Method and X-Original-Method count only from a gateway that is in TRUST_PROXY.',
    });
  }

  /** Row (a) of the contract: a live credential came along. */
  private judge(request: FastifyRequest, sessions: readonly SessionId[]): void {
    const verdict = this.judgeOrigin(request);
    const token = request.headers['x-csrf-token'];
    if (token === undefined && verdict === 'pass' && !this.always) return;
    if (typeof token === 'string' && sessions.every((id) => this.tokens.verify(token, id))) return;
    throw new Problem('csrf_failed', {
      detail: `Send the CSRF token of this session in ${CSRF_HEADER}; GET /auth/csrf returns it.`,
    });
  }

  /** The table of the contract: the first row that matches decides. Several origins in one header count as foreign. */
  private judgeOrigin({ headers }: FastifyRequest): Verdict {
    const { origin } = headers;
    const site = headers['sec-fetch-site'];
    if (origin !== undefined && origin !== 'null') {
      if (this.isListed(origin)) return 'pass';
      throw new Problem('origin_not_allowed', { detail: 'The origin of this page is not in CORS_ORIGINS.' });
    }
    if (site === 'same-origin') return 'pass';
    if (origin === 'null')
      throw new Problem('origin_not_allowed', { detail: 'The page that sent this has no origin.' });
    if (site === undefined || site === 'none') return 'token';
    throw new Problem('csrf_failed', { detail: 'The browser says that another site sent this request.' });
  }

  private ruleOf(context: ExecutionContext): RouteRule {
    const targets = [context.getHandler(), context.getClass()];
    const rule = {
      signsIn: this.reflector.getAllAndOverride<boolean | undefined>(SIGNS_IN, targets) === true,
      forwarded: this.reflector.getAllAndOverride<boolean | undefined>(FORWARDED, targets) === true,
    };
    this.rules.set(context.getHandler(), rule);
    return rule;
  }
}

function isSafe({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}
