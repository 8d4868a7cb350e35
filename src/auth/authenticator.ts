import { Injectable } from '@nestjs/common';
import { Problem } from '../http/problem.js';
import { headerCount } from '../http/raw-headers.js';
import type { Authentication } from '../principal/authentication.js';
import { SessionActivity } from '../sessions/session-activity.js';
import type { SessionRecord } from '../sessions/session-record.js';
import { type AuthStrategy, CredentialRejected } from './auth-strategy.js';
import { EnabledStrategies } from './enabled-strategies.js';
import type { HttpExchange } from './http-exchange.js';
import { type CachedPrincipal, PrincipalCache } from './principal-cache.js';

/** A session that one credential of the request stands for. */
interface Proof {
  readonly strategy: AuthStrategy;
  readonly session: SessionRecord;
  /** The browser sent it unasked. */
  readonly ambient: boolean;
}

/** Finds out whom a request acts for, by contract section 5, rules 1 to 3. Knows nothing of cookies or tokens. */
@Injectable()
export class Authenticator {
  constructor(
    private readonly strategies: EnabledStrategies,
    private readonly activity: SessionActivity,
    private readonly cache: PrincipalCache,
  ) {}

  /**
   * The way that nearly every request takes: one credential, known already. Costs a look into the request and one hash.
   * @returns undefined when it takes more than that
   */
  fromCache(exchange: HttpExchange, accepted: readonly AuthStrategy[]): Authentication | undefined {
    let strategy: AuthStrategy | undefined;
    let credential: string | undefined;
    for (const candidate of accepted) {
      const shown = candidate.credentialIn(exchange);
      if (shown === null) continue;
      if (strategy) return undefined;
      strategy = candidate;
      credential = shown;
    }
    if (!strategy || credential === undefined) return undefined;
    const { headers, raw } = exchange.request;
    if (
      headers.authorization !== undefined &&
      (strategy.ambient || headerCount(raw.rawHeaders, 'authorization') > 1)
    ) {
      return undefined;
    }
    return this.cached(this.cache.keyOf(credential), strategy)?.authentication;
  }

  /**
   * For an ordinary route: every strategy that counts here is asked. A bad credential in `Authorization` is refused whatever
   * else came; a bad cookie only when nothing better did.
   * @throws CredentialRejected, Problem `credential_conflict`, Problem `unavailable`
   */
  async authenticate(exchange: HttpExchange, accepted = this.strategies.all): Promise<Authentication> {
    const { proofs, rejection } = await this.ordinaryProofs(exchange, accepted);
    if (proofs.length === 0) throw rejection ?? new CredentialRejected('credential_missing');
    return this.conclude(proofs);
  }

  /** For an exchange: the same, and the refresh credential counts as one more. A bad one in the body is refused whatever else came. */
  async authenticateExchange(exchange: HttpExchange): Promise<Authentication> {
    let { proofs, rejection } = await this.ordinaryProofs(exchange, this.strategies.all);
    for (const strategy of this.strategies.refreshable) {
      const shown = strategy.refreshCredentialIn(exchange);
      if (!shown) continue;
      try {
        const session = await strategy.authenticateRefresh(exchange);
        proofs = [...proofs, { strategy, session, ambient: shown.ambient }];
      } catch (error) {
        if (!(error instanceof CredentialRejected) || !shown.ambient) throw error;
        rejection ??= error;
      }
    }
    if (proofs.length === 0) throw rejection ?? new CredentialRejected('credential_missing');
    return this.conclude(proofs);
  }

  private async ordinaryProofs(
    exchange: HttpExchange,
    accepted: readonly AuthStrategy[],
  ): Promise<{ proofs: readonly Proof[]; rejection: CredentialRejected | undefined }> {
    const shown = this.shownIn(exchange, accepted);
    const proofs: Proof[] = [];
    let rejection: CredentialRejected | undefined;
    for (const strategy of shown.toSorted((a, b) => Number(a.ambient) - Number(b.ambient))) {
      try {
        proofs.push({
          strategy,
          session: await this.sessionOf(strategy, exchange),
          ambient: strategy.ambient,
        });
      } catch (error) {
        if (!(error instanceof CredentialRejected) || !strategy.ambient) throw error;
        rejection ??= error;
      }
    }
    return { proofs, rejection };
  }

  /**
   * For logout: any live credential of a session will do, the refresh token too, and an access token that has merely expired
   * beside it is no obstacle. A forged one in `Authorization` is.
   */
  async authenticateByAny(exchange: HttpExchange): Promise<Authentication> {
    const proofs: Proof[] = [];
    const rejections: CredentialRejected[] = [];
    const attempt = async (
      strategy: AuthStrategy,
      ambient: boolean,
      look: () => Promise<SessionRecord>,
    ): Promise<void> => {
      try {
        const session = await look();
        this.activity.seen(session, strategy.name);
        proofs.push({ strategy, session, ambient });
      } catch (error) {
        if (!(error instanceof CredentialRejected)) throw error;
        rejections.push(error);
      }
    };
    for (const strategy of this.shownIn(exchange, this.strategies.all)) {
      await attempt(strategy, strategy.ambient, () => strategy.authenticate(exchange));
      const rejected = rejections.at(-1);
      if (!strategy.ambient && rejected?.code === 'credential_invalid') throw rejected;
    }
    for (const strategy of this.strategies.refreshable) {
      const shown = strategy.refreshCredentialIn(exchange);
      if (shown) await attempt(strategy, shown.ambient, () => strategy.authenticateRefresh(exchange));
    }
    if (proofs.length === 0) throw rejections[0] ?? new CredentialRejected('credential_missing');
    return this.conclude(proofs);
  }

  /**
   * For refresh: whether a refresh credential came, and which live sessions the browser sent a credential of unasked, so that CSRF
   * can be judged before anything is spent. A refresh token that came in the body is judged by spending it.
   */
  async authenticateRefresh(exchange: HttpExchange): Promise<Authentication | undefined> {
    const strategy = this.strategies.refreshable.find((candidate) => candidate.refreshCredentialIn(exchange));
    if (!strategy) {
      throw new CredentialRejected(
        'credential_missing',
        'Send the refresh token: { "refreshToken": "..." } or its cookie.',
      );
    }
    const proofs: Proof[] = [];
    if (strategy.refreshCredentialIn(exchange)?.ambient) {
      proofs.push({ strategy, session: await strategy.authenticateRefresh(exchange), ambient: true });
    }
    for (const other of this.strategies.all) {
      if (!other.ambient || other.credentialIn(exchange) === null) continue;
      try {
        proofs.push({ strategy: other, session: await other.authenticate(exchange), ambient: true });
      } catch (error) {
        // A dead cookie beside a refresh token is no obstacle, and needs no protection.
        if (!(error instanceof CredentialRejected)) throw error;
      }
    }
    return proofs.length > 0 ? this.conclude(proofs) : undefined;
  }

  /** The live session of a strategy's credential: remembered, or asked for and then remembered. */
  private async sessionOf(strategy: AuthStrategy, exchange: HttpExchange): Promise<SessionRecord> {
    const key = this.cache.keyOf(strategy.credentialIn(exchange) ?? '');
    const known = this.cached(key, strategy);
    if (known) return known.session;
    const load = this.cache.beginLoad();
    const session = await strategy.authenticate(exchange);
    const proof = { strategy, session, ambient: strategy.ambient };
    this.cache.put(key, load, session, Object.freeze(authenticationBy([proof], proof)));
    this.activity.seen(session, strategy.name);
    return session;
  }

  private cached(key: string, { name }: AuthStrategy): CachedPrincipal | undefined {
    const now = performance.now();
    const known = this.cache.get(key, name, now);
    if (known && now >= known.activityDue) this.noteActivity(known, now);
    return known;
  }

  private noteActivity(known: CachedPrincipal, now: number): void {
    known.activityDue = now + known.session.activityInterval;
    this.activity.note(known.session.id, known.authentication.principal.strategy);
  }

  /** The strategies whose credential came. @throws when an `Authorization` came that nobody can make sense of. */
  private shownIn(exchange: HttpExchange, accepted: readonly AuthStrategy[]): AuthStrategy[] {
    const { headers, raw } = exchange.request;
    if (headers.authorization !== undefined && headerCount(raw.rawHeaders, 'authorization') > 1) {
      throw new Problem('credential_conflict', {
        detail: 'The request carries more than one Authorization header.',
      });
    }
    const shown = accepted.filter((strategy) => strategy.credentialIn(exchange) !== null);
    const unclaimed = exchange.hasBearerScheme && shown.every(({ ambient }) => ambient);
    if (unclaimed && accepted.some(({ ambient }) => !ambient)) {
      throw new CredentialRejected('credential_invalid', 'The Authorization header is not "Bearer <token>".');
    }
    return shown;
  }

  private conclude(proofs: readonly Proof[]): Authentication {
    const users = new Set(proofs.map(({ session }) => session.user.id));
    if (users.size > 1) {
      throw new Problem('credential_conflict', {
        detail: 'The request carries valid credentials of two different users.',
      });
    }
    const ranked = this.strategies.all.flatMap((strategy) =>
      proofs.filter((proof) => proof.strategy === strategy),
    );
    const [first] = ranked;
    if (!first) throw new CredentialRejected('credential_missing');
    return authenticationBy(proofs, first);
  }
}

function authenticationBy(proofs: readonly Proof[], { session, strategy }: Proof): Authentication {
  return {
    principal: Object.freeze({
      userId: session.user.id,
      sessionId: session.id,
      strategy: strategy.name,
      roles: session.user.roles,
      factors: session.factors,
      authenticatedAt: session.authenticatedAt,
    }),
    user: session.user,
    session,
    sessionIds: [...new Set(proofs.map((proof) => proof.session.id))],
    ambientSessionIds: proofs.filter(({ ambient }) => ambient).map((proof) => proof.session.id),
  };
}
