import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { SecurityEvents } from '../events/security-events.js';
import { Problem } from '../http/problem.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { PasswordPolicy } from '../passwords/password-policy.js';
import type { Authentication } from '../principal/authentication.js';
import type { SessionId, UserId } from '../principal/principal.js';
import { CredentialStore } from '../sessions/credential-store.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { PasswordThrottle } from '../throttle/password-throttle.js';
import { UserTurns } from '../users/user-turns.js';
import { UsersService } from '../users/users.service.js';
import { type AuthStrategy, CredentialRejected, isRefreshable } from './auth-strategy.js';
import type { PasswordIn } from './auth.schemas.js';
import { EnabledStrategies } from './enabled-strategies.js';
import { HashReplaced, provingAgain } from './hash-replaced.js';
import type { HttpExchange } from './http-exchange.js';

/** Changing one's password: all other sessions end, and the cookie credentials of this one are replaced. */
@Injectable()
export class PasswordChangeService {
  constructor(
    private readonly database: Database,
    private readonly strategies: EnabledStrategies,
    private readonly users: UsersService,
    private readonly turns: UserTurns,
    private readonly hasher: PasswordHasher,
    private readonly policy: PasswordPolicy,
    private readonly sessions: SessionsService,
    private readonly credentials: CredentialStore,
    private readonly events: SecurityEvents,
    private readonly guesses: PasswordThrottle,
  ) {}

  /**
   * @throws Problem `password_incorrect` for a wrong current password, and for one that was changed meanwhile
   * @throws Problem `too_many_requests` after too many wrong ones in this session
   * @throws Problem `validation_failed` for a new password that the policy refuses
   * @throws Problem `credential_invalid`, and nothing has changed, when the session has ended meanwhile
   */
  async change(
    input: PasswordIn,
    { principal, user, session }: Authentication,
    exchange: HttpExchange,
  ): Promise<void> {
    const weaknesses = await this.policy.problems(input.newPassword, { email: user.email });
    if (weaknesses.length > 0) {
      throw new Problem('validation_failed', {
        errors: weaknesses.map((message) => ({ path: 'newPassword', message })),
      });
    }
    await provingAgain('password_incorrect', () =>
      this.proveAndChange(input, principal.userId, session.id, exchange),
    );
  }

  private async proveAndChange(
    input: PasswordIn,
    userId: UserId,
    sessionId: SessionId,
    exchange: HttpExchange,
  ): Promise<void> {
    const account = await this.users.findById(userId);
    const matches = await this.guesses.attempt(sessionId, exchange.reply, () =>
      this.hasher.verify(account?.passwordHash ?? null, input.currentPassword, exchange.left),
    );
    if (!account || !matches) throw new Problem('password_incorrect');
    const newHash = await this.hasher.hash(input.newPassword, exchange.left);
    const replaced = await this.cookieStrategiesToReplace(sessionId, exchange);
    const replace = () =>
      this.database.transaction(async (tx) => {
        if (!(await this.users.replacePasswordHash(tx, account.id, account.passwordHash, newHash))) {
          throw new HashReplaced();
        }
        if (!(await this.sessions.holdLive(sessionId, tx))) throw new Problem('credential_invalid');
        await this.sessions.endOthers(account.id, [sessionId], 'password_changed', tx, exchange.act);
        // Dead from here on, whether or not the answer with the new ones arrives.
        await this.credentials.withdraw(sessionId, replaced.dead, tx);
        await this.events.publish(
          { type: 'password_changed', userId: account.id, sessionId },
          tx,
          exchange.act,
        );
      });
    await this.turns.take(account.id, replace);
    await this.issueAnew(sessionId, replaced.shown, exchange);
  }

  /** A session that has ended since the change needs no cookies, and the change holds all the same. */
  private async issueAnew(
    sessionId: SessionId,
    strategies: readonly AuthStrategy[],
    exchange: HttpExchange,
  ): Promise<void> {
    const record = await this.sessions.findById(sessionId);
    if (record?.state !== 'live') return;
    try {
      for (const strategy of strategies) await strategy.issue(record, exchange);
    } catch (error) {
      if (!(error instanceof CredentialRejected)) throw error;
    }
  }

  /**
   * The strategies whose cookies the request carries for this session get new ones. Cookies of this session that were not
   * sent along die too: nobody can tell where they are.
   */
  private async cookieStrategiesToReplace(
    sessionId: string,
    exchange: HttpExchange,
  ): Promise<{ shown: AuthStrategy[]; dead: string[] }> {
    const shown: AuthStrategy[] = [];
    for (const strategy of this.strategies.all) {
      if (await this.holdsCookie(strategy, sessionId, exchange)) shown.push(strategy);
    }
    const ambient = this.strategies.all.filter((strategy) => strategy.ambient);
    return { shown, dead: [...new Set([...ambient, ...shown])].map(({ name }) => name) };
  }

  private async holdsCookie(
    strategy: AuthStrategy,
    sessionId: string,
    exchange: HttpExchange,
  ): Promise<boolean> {
    try {
      if (strategy.ambient) {
        return (
          strategy.credentialIn(exchange) !== null && (await strategy.authenticate(exchange)).id === sessionId
        );
      }
      if (!isRefreshable(strategy) || !strategy.refreshCredentialIn(exchange)?.ambient) return false;
      return (await strategy.authenticateRefresh(exchange)).id === sessionId;
    } catch (error) {
      if (error instanceof CredentialRejected) return false;
      throw error;
    }
  }
}
