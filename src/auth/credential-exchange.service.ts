import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { SecurityEvents } from '../events/security-events.js';
import { Problem } from '../http/problem.js';
import type { Authentication } from '../principal/authentication.js';
import { SessionActivity } from '../sessions/session-activity.js';
import type { SessionRecord } from '../sessions/session-record.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { type AuthStrategy, CredentialRejected, isRefreshable } from './auth-strategy.js';
import type { ExchangeIn } from './auth.schemas.js';
import { AuthService, type SignedIn } from './auth.service.js';
import { EnabledStrategies } from './enabled-strategies.js';
import type { HttpExchange } from './http-exchange.js';
import { rejectionsAsProblems } from './rejections-as-problems.js';

/** What an exchange rests on: a credential that lasts as long as what will be handed out. */
interface Source {
  readonly strategy: AuthStrategy;
  readonly session: SessionRecord;
}

/**
 * Gives a running session the credential of another enabled strategy: same session, same limits, same device. That is how a company
 * changes its mode with nobody logged out (docs/switching-modes.md). What was shown stays good.
 */
@Injectable()
export class CredentialExchangeService {
  constructor(
    private readonly database: Database,
    private readonly strategies: EnabledStrategies,
    private readonly auth: AuthService,
    private readonly sessions: SessionsService,
    private readonly activity: SessionActivity,
    private readonly events: SecurityEvents,
  ) {}

  /**
   * @throws Problem `validation_failed` for a strategy that is unknown, not enabled, or the only one that was shown
   * @throws Problem `forbidden` when what was shown is shorter-lived than what is asked for
   * @throws Problem with the code of the refusal, also `refresh_reused`
   */
  async exchange(
    { strategy: name }: ExchangeIn,
    { sessionIds, ambientSessionIds }: Authentication,
    exchange: HttpExchange,
  ): Promise<SignedIn> {
    const target = this.auth.strategyToIssue(name);
    const { strategy: from, session } = await rejectionsAsProblems(() => this.sourceFor(target, exchange));
    // The guards have judged CSRF for these sessions alone.
    if (!sessionIds.includes(session.id)) throw new Problem('credential_invalid');
    const replaced = await this.auth.sessionsReplacedBy(target, exchange);
    const addition = { cookiesOnly: ambientSessionIds.length > 0 };
    const body = await rejectionsAsProblems(() => target.issue(session, exchange, { addition }));
    const { address, userAgent, act } = exchange;
    const { id: sessionId, user } = session;
    await this.database.transaction(async (tx) => {
      if (!(await this.sessions.holdLive(sessionId, tx))) throw new Problem('credential_invalid');
      const others = replaced.filter((id) => id !== sessionId);
      if (others.length > 0) await this.sessions.end(others, 'replaced', tx, act);
      const [userId, to] = [user.id, target.name];
      await this.events.publish(
        { type: 'session_exchanged', userId, sessionId, from: from.name, to, address, userAgent },
        tx,
        act,
      );
    });
    this.activity.seen(session, from.name);
    return { session, strategy: target.name, body };
  }

  /** The first of the strategies, the primary before all, whose credential was shown and suffices. */
  private async sourceFor(target: AuthStrategy, exchange: HttpExchange): Promise<Source> {
    let rejection: CredentialRejected | undefined;
    let insufficient = false;
    for (const strategy of this.strategies.all) {
      if (strategy === target) continue;
      try {
        const session = await this.sufficient(strategy, exchange);
        if (session) return { strategy, session };
        insufficient ||= strategy.credentialIn(exchange) !== null;
      } catch (error) {
        // A dead cookie is no obstacle to something better; a theft that has just been found out is.
        if (!(error instanceof CredentialRejected) || error.code === 'refresh_reused') throw error;
        rejection ??= error;
      }
    }
    if (insufficient) {
      throw new Problem('forbidden', {
        detail:
          'An access token alone does not suffice: send the refresh token of the same session too, as { "refreshToken": "..." } or by its cookie.',
      });
    }
    const message = 'must be another one than that of the credential that was sent';
    throw rejection ?? new Problem('validation_failed', { errors: [{ path: 'strategy', message }] });
  }

  /** The session of a strategy's credential that lasts as long as the session does, or null when none came. */
  private async sufficient(strategy: AuthStrategy, exchange: HttpExchange): Promise<SessionRecord | null> {
    const shown = strategy.credentialIn(exchange) !== null;
    if (!isRefreshable(strategy)) return shown ? strategy.authenticate(exchange) : null;
    if (!strategy.refreshCredentialIn(exchange)) return null;
    const session = await strategy.proveRefresh(exchange);
    return shown && (await strategy.authenticate(exchange)).id !== session.id ? null : session;
  }
}
