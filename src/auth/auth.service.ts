import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database, type Statement, type Transaction } from '../database/database.js';
import { SecurityEvents } from '../events/security-events.js';
import { Problem } from '../http/problem.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { PasswordPolicy } from '../passwords/password-policy.js';
import type { Authentication } from '../principal/authentication.js';
import type { SessionId } from '../principal/principal.js';
import { SessionActivity } from '../sessions/session-activity.js';
import type { SessionRecord } from '../sessions/session-record.js';
import { type SessionStart, SessionsService } from '../sessions/sessions.service.js';
import { AddressThrottle } from '../throttle/address-throttle.js';
import { type AccountSeen, KnownAddresses } from '../throttle/known-addresses.js';
import { LoginThrottle } from '../throttle/login-throttle.js';
import type { UserAccount } from '../users/user-account.js';
import { UserTurns } from '../users/user-turns.js';
import { UsersService } from '../users/users.service.js';
import {
  type AuthStrategy,
  type CredentialBody,
  CredentialRejected,
  type Refreshed,
  isRefreshable,
} from './auth-strategy.js';
import type { LoginIn, SignupIn } from './auth.schemas.js';
import { EnabledStrategies } from './enabled-strategies.js';
import { HashReplaced, provingAgain } from './hash-replaced.js';
import type { HttpExchange } from './http-exchange.js';
import { LocalStrategy, type ProvenUser } from './local.strategy.js';
import { rejectionsAsProblems } from './rejections-as-problems.js';

/** A sign-in that succeeded: the session, and what its client got for it. */
export interface SignedIn {
  readonly session: SessionRecord;
  readonly strategy: string;
  readonly body: CredentialBody;
}

/** Who signs in, found out under lock. */
type Identify = (
  tx: Transaction,
  opened: Promise<readonly unknown[]>,
) => Promise<Pick<SessionStart, 'userId' | 'proven'> & Pick<AccountSeen, 'isRemembered'>>;

/** Signup, login, logout and refresh: the same in every mode, written once. Only the strategy knows what the client holds. */
@Injectable()
export class AuthService {
  private readonly accountKey: Buffer;

  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly strategies: EnabledStrategies,
    private readonly proof: LocalStrategy,
    private readonly users: UsersService,
    private readonly turns: UserTurns,
    private readonly hasher: PasswordHasher,
    private readonly policy: PasswordPolicy,
    private readonly sessions: SessionsService,
    private readonly activity: SessionActivity,
    private readonly events: SecurityEvents,
    private readonly logins: LoginThrottle,
    private readonly requests: AddressThrottle,
    private readonly knownAddresses: KnownAddresses,
  ) {
    this.accountKey = config.secrets[0].derive('audit-account');
  }

  /** Creates a user and signs in. @throws Problem `signup_closed`, `validation_failed`, `too_many_requests`, `email_taken`, `overloaded` */
  async signUp(input: SignupIn, exchange: HttpExchange): Promise<SignedIn> {
    if (this.config.auth.signup === 'closed') {
      throw new Problem('signup_closed', {
        detail: 'Accounts are made by the operators, on the command line.',
      });
    }
    const strategy = this.strategies.primary;
    if (isRefreshable(strategy)) strategy.checkTransport(exchange);
    const weaknesses = await this.policy.problems(input.password, { email: input.email });
    if (weaknesses.length > 0) {
      throw new Problem('validation_failed', {
        errors: weaknesses.map((message) => ({ path: 'password', message })),
      });
    }
    await this.requests.signup(exchange);
    const passwordHash = await this.hasher.hash(input.password, exchange.left);
    const { email, name = null, remember = false } = input;
    return this.signIn(strategy, exchange, remember, async (tx) => {
      const user = await this.users.create(tx, { email, name, passwordHash });
      const act = { ...exchange.act, actor: user.id };
      await this.events.publish({ type: 'user_created', userId: user.id }, tx, act);
      return { userId: user.id, isRemembered: false };
    });
  }

  /** Signs in with email and password. @throws Problem `login_failed`, `validation_failed`, `too_many_requests`, `overloaded` */
  async logIn(input: LoginIn, exchange: HttpExchange): Promise<SignedIn> {
    const strategy = this.strategyToIssue(input.strategy);
    if (isRefreshable(strategy)) strategy.checkTransport(exchange);
    return provingAgain('login_failed', () => this.proveAndSignIn(input, strategy, exchange));
  }

  /**
   * Ends every session that the request has proven, everywhere, and takes the credentials back.
   * @throws Problem `credential_invalid` when another request has ended them in the meantime
   */
  async logOut({ sessionIds }: Authentication, exchange: HttpExchange): Promise<void> {
    const ended = await this.sessions.end(sessionIds, 'logout', undefined, exchange.act);
    for (const strategy of this.strategies.all) strategy.discard(exchange);
    if (ended.length === 0) throw new Problem('credential_invalid');
  }

  /** Spends the refresh credential of the request. @throws Problem with the code of the refusal */
  async refresh(exchange: HttpExchange): Promise<Refreshed & { strategy: string }> {
    const strategy = this.strategies.refreshable.find((candidate) => candidate.refreshCredentialIn(exchange));
    if (!strategy) throw new Problem('credential_missing');
    const refreshed = await rejectionsAsProblems(
      () => strategy.refresh(exchange),
      () => this.requests.refusedRefresh(exchange),
    );
    this.activity.seen(refreshed.session, strategy.name);
    return { ...refreshed, strategy: strategy.name };
  }

  private async proveAndSignIn(
    input: LoginIn,
    strategy: AuthStrategy,
    exchange: HttpExchange,
  ): Promise<SignedIn> {
    const { email, remember = false } = input;
    const { account, ...seen } = await this.knownAddresses.accountSeenFrom(email, exchange.address);
    const { proven, settled } = await this.logins.attempt(
      { email, isKnown: seen.isKnown },
      exchange,
      () => this.proof.prove(input, account, exchange.left),
      (limits) => this.recordRefusal({ type: 'account_locked', limits }, email, account, exchange),
    );
    if (!proven) {
      await this.recordRefusal({ type: 'login_failed' }, email, account, exchange);
      throw new Problem('login_failed');
    }
    try {
      return await this.signInProven({ ...proven, ...seen }, remember, strategy, exchange);
    } finally {
      await settled;
    }
  }

  private async signInProven(
    { user, verifiedHash, isRemembered }: ProvenUser & Pick<AccountSeen, 'isRemembered'>,
    remember: boolean,
    strategy: AuthStrategy,
    exchange: HttpExchange,
  ): Promise<SignedIn> {
    const identify: Identify = async (_tx, locked) => ({
      userId: user.id,
      isRemembered,
      proven: locked.then(({ length }) => {
        if (length === 0) throw new HashReplaced();
      }),
    });
    const opening = this.users.lockingVerified(user.id, verifiedHash);
    return this.turns.take(user.id, () => this.signIn(strategy, exchange, remember, identify, opening));
  }

  /** The strategy of that name, or the primary. @throws Problem `validation_failed` for one that is unknown or not enabled */
  strategyToIssue(name?: string): AuthStrategy {
    if (name === undefined) return this.strategies.primary;
    const strategy = this.strategies.find(name);
    if (strategy) return strategy;
    const message = `must be one of the enabled strategies: ${this.strategies.names.join(', ')}`;
    throw new Problem('validation_failed', { errors: [{ path: 'strategy', message }] });
  }

  /** Does the same whether or not the address has an account: what is counted, it is counted by its hash. */
  private async recordRefusal(
    refusal: { type: 'login_failed' } | { type: 'account_locked'; limits: readonly string[] },
    email: string,
    user: UserAccount | null,
    { address, userAgent, act }: HttpExchange,
  ): Promise<void> {
    const account = createHmac('sha256', this.accountKey).update(email).digest('base64url').slice(0, 16);
    const about = { userId: user?.id ?? null, account, address, userAgent };
    await this.events.publish({ ...refusal, ...about }, undefined, act);
  }

  /**
   * Starts a session for the user that `identify` yields under lock, and hands out its credential, both or neither: a 2xx means that
   * the client holds something that works, and after anything else there is no session that nobody holds anything of.
   * @param identify gets the rows of `opening`, which goes before all else of the transaction
   */
  private async signIn(
    strategy: AuthStrategy,
    exchange: HttpExchange,
    remember: boolean,
    identify: Identify,
    opening?: Statement,
  ): Promise<SignedIn> {
    const replaces = await this.sessionsReplacedBy(strategy, exchange);
    const { address, userAgent, act } = exchange;
    return this.database.transaction(async (tx, opened) => {
      const { isRemembered, ...identified } = await identify(tx, opened);
      const session = await this.sessions.start(tx, {
        ...identified,
        factors: ['password'],
        remember,
        replaces,
        address,
        userAgent,
        act,
      });
      if (!isRemembered) await this.knownAddresses.remember(tx, identified.userId, address);
      const body = await rejectionsAsProblems(() => strategy.issue(session, exchange, { on: tx }));
      return { session, strategy: strategy.name, body };
    }, opening);
  }

  /** The sessions of the cookies that the new credential takes the place of: they would live on with nobody to end them. */
  async sessionsReplacedBy(strategy: AuthStrategy, exchange: HttpExchange): Promise<SessionId[]> {
    try {
      if (strategy.ambient && strategy.credentialIn(exchange) !== null) {
        return [(await strategy.authenticate(exchange)).id];
      }
      if (isRefreshable(strategy) && strategy.refreshCredentialIn(exchange)?.ambient) {
        return [(await strategy.authenticateRefresh(exchange)).id];
      }
    } catch (error) {
      // Dead or contradictory cookies are no obstacle to signing in: the new one takes their place.
      if (!(error instanceof CredentialRejected) && !isConflict(error)) throw error;
    }
    return [];
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof Problem && error.code === 'credential_conflict';
}
