import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { Act } from '../events/act.js';
import { SecurityEvents } from '../events/security-events.js';
import { Problem } from '../http/problem.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { PasswordPolicy } from '../passwords/password-policy.js';
import type { CanonicalEmail } from '../users/canonical-email.js';
import type { UserAccount } from '../users/user-account.js';
import { UsersService } from '../users/users.service.js';

/** An account that somebody else than its user makes. */
export interface NewAccount {
  readonly email: CanonicalEmail;
  readonly password: string;
  readonly name: string | null;
  readonly roles: readonly string[];
}

/** Makes accounts without signing in, also while `SIGNUP` is closed. */
@Injectable()
export class AccountCreation {
  constructor(
    private readonly database: Database,
    private readonly users: UsersService,
    private readonly hasher: PasswordHasher,
    private readonly policy: PasswordPolicy,
    private readonly events: SecurityEvents,
  ) {}

  /** @throws Problem `validation_failed` for a password that the policy refuses, `email_taken` */
  async create({ email, password, name, roles }: NewAccount, act: Act): Promise<UserAccount> {
    const [weakness] = await this.policy.problems(password, { email });
    if (weakness !== undefined)
      throw new Problem('validation_failed', { detail: `the password ${weakness}` });
    const passwordHash = await this.hasher.hash(password);
    return this.database.transaction(async (tx) => {
      const user = await this.users.create(tx, { email, name, passwordHash, roles });
      await this.events.publish({ type: 'user_created', userId: user.id }, tx, act);
      return user;
    });
  }
}
