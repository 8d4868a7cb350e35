import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-local';
import { Database } from '../database/database.js';
import { Problem } from '../http/problem.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import type { UserAccount } from '../users/user-account.js';
import { UsersService } from '../users/users.service.js';
import { PrivatePassport, judge } from './passport.js';

/** A user who has just proven to know the password, and the hash that proved it. */
export interface ProvenUser {
  readonly user: UserAccount;
  /** Whoever acts on the proof checks under lock that this is still the user's hash. */
  readonly verifiedHash: string;
}

/** The proof by email and password (passport-local). An unknown user costs the same hash as a known one. */
@Injectable()
export class LocalStrategy extends PassportStrategy(Strategy, 'local') {
  // `declare`: PassportStrategy's constructor asks for the instance before fields of this class would be set.
  declare private passport: PrivatePassport | undefined;

  constructor(
    private readonly database: Database,
    private readonly users: UsersService,
    private readonly hasher: PasswordHasher,
  ) {
    super({ usernameField: 'email', passwordField: 'password', session: false, passReqToCallback: true });
  }

  /**
   * The user, or null when email or password is wrong or the user is disabled: which of them is not told.
   * @param account that of the email, or null
   * @throws Problem `overloaded`; `request_timeout` when `left` aborts while the hash has to wait
   */
  async prove(
    { email, password }: { email: string; password: string },
    account: UserAccount | null,
    left: AbortSignal,
  ): Promise<ProvenUser | null> {
    const { user } = await judge<ProvenUser>(this, { body: { email, password }, account, left });
    return user;
  }

  /** Called by passport-local. */
  async validate(
    { account, left }: { account: UserAccount | null; left: AbortSignal },
    _email: string,
    password: string,
  ): Promise<ProvenUser | null> {
    const matches = await this.hasher.verify(account?.passwordHash ?? null, password, left);
    if (!account || !matches || account.disabled) return null;
    return { user: account, verifiedHash: await this.rehashed(account, password) };
  }

  /** Called by PassportStrategy. */
  getPassportInstance(): PrivatePassport {
    return this.instance;
  }

  private get instance(): PrivatePassport {
    return (this.passport ??= new PrivatePassport());
  }

  /**
   * Moves an old hash to today's parameters. A password change that came in between wins: the proof is then of no use. A queue
   * that is full just now must not refuse a right password: the next login tries again.
   */
  private async rehashed(user: UserAccount, password: string): Promise<string> {
    if (!this.hasher.needsRehash(user.passwordHash)) return user.passwordHash;
    try {
      const hash = await this.hasher.hash(password);
      const replaced = await this.users.replacePasswordHash(this.database, user.id, user.passwordHash, hash);
      return replaced ? hash : user.passwordHash;
    } catch (error) {
      if (error instanceof Problem && error.code === 'overloaded') return user.passwordHash;
      throw error;
    }
  }
}
