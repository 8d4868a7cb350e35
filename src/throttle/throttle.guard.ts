import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { clientAddress } from '../http/client-address.js';
import { putOffJudgement } from '../http/earlier-refusal.js';
import { networkOf } from '../http/network-of.js';
import type { Counted } from './counter-store.js';
import type { Limit, Limits } from './limits.js';
import { announce, tellStanding } from './rate-limit-headers.js';
import { Throttle } from './throttle.js';

const THROTTLED = 'latchkey:throttled';

/** What a route's attempts are counted as. */
export type ThrottledAs = 'login' | 'signup' | 'refresh' | 'password';

/** Puts the limits of contract section 8 on a route. Whoever handles it counts; here is refused what is over. */
export const Throttled = (as: ThrottledAs) => SetMetadata(THROTTLED, as);

interface RouteLimits {
  /** Named in `RateLimit-Policy`. Those of an account are not: they would tell whether there is one. */
  readonly announced: readonly Limit[];
  /** By address, so that they can be judged before anything else is known of the request. */
  readonly byAddress: readonly Limit[];
  /** Whoever handles the route takes from all of these before anything else of a request that is well-formed. */
  readonly takenByHandler: boolean;
}

/**
 * Refuses an address that is over a limit of the route, before credentials and fields are looked at. Counts nothing. Where the
 * handler does the same by taking from the limits, the store is asked here only about addresses that have been refused lately, so
 * that a flood of them costs one statement each, and about requests that do not come as far as the handler.
 */
@Injectable()
export class ThrottleGuard implements CanActivate {
  private readonly limits: Readonly<Record<ThrottledAs, RouteLimits>>;
  private readonly routes = new WeakMap<object, RouteLimits | null>();

  constructor(
    private readonly throttle: Throttle,
    private readonly reflector: Reflector,
  ) {
    this.limits = routeLimits(throttle.limits);
  }

  canActivate(context: ExecutionContext): true | Promise<true> {
    let route = this.routes.get(context.getHandler());
    if (route === undefined) route = this.routeOf(context);
    return route === null ? true : this.admit(route, context);
  }

  private admit(
    { announced, byAddress, takenByHandler }: RouteLimits,
    context: ExecutionContext,
  ): true | Promise<true> {
    const http = context.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    announce(reply, announced);
    if (byAddress.length === 0) return true;
    const key = networkOf(clientAddress(http.getRequest<FastifyRequest>()));
    const counted = byAddress.map((limit) => ({ limit, key }));
    if (takenByHandler && !this.throttle.refusedLately(counted)) {
      putOffJudgement(reply, () => this.judge(counted, reply));
      return true;
    }
    return this.judge(counted, reply).then(() => true);
  }

  /** @throws Problem `too_many_requests` */
  private async judge(counted: readonly Counted[], reply: FastifyReply): Promise<void> {
    const standings = await this.throttle.standings(counted);
    tellStanding(reply, standings);
    const exhausted = standings.filter(({ remaining }) => remaining === 0);
    if (exhausted.length > 0) throw this.throttle.refusal(exhausted);
  }

  private routeOf(context: ExecutionContext): RouteLimits | null {
    const handler = context.getHandler();
    const as = this.reflector.getAllAndOverride<ThrottledAs | undefined>(THROTTLED, [
      handler,
      context.getClass(),
    ]);
    const route = as === undefined || !this.throttle.enabled ? null : this.limits[as];
    this.routes.set(handler, route);
    return route;
  }
}

function routeLimits(limits: Limits): Readonly<Record<ThrottledAs, RouteLimits>> {
  const byAddress = (...list: Limit[]): RouteLimits => ({
    announced: list,
    byAddress: list,
    takenByHandler: false,
  });
  return {
    login: { ...byAddress(limits.loginsPerAddress, limits.loginFailuresPerAddress), takenByHandler: true },
    signup: byAddress(limits.signupsPerAddress),
    refresh: byAddress(limits.refusedRefreshesPerAddress),
    password: { ...byAddress(), announced: [limits.wrongPasswordsPerSession] },
  };
}
