import { Module } from '@nestjs/common';
import { AccountCreation } from '../admin/account-creation.js';
import { OperatorSessions } from '../admin/operator-sessions.js';
import { UserAdministration } from '../admin/user-administration.js';
import { UserSearch } from '../admin/user-search.js';
import { AuditCounter } from '../audit/audit-counter.js';
import { AuditPruner } from '../audit/audit-pruner.js';
import { AuditRecorder } from '../audit/audit-recorder.js';
import { Database } from '../database/database.js';
import { SecurityEvents } from '../events/security-events.js';
import { SessionFeed } from '../feed/session-feed.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { PasswordPolicy } from '../passwords/password-policy.js';
import { SessionPruner } from '../sessions/session-pruner.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { UserStates } from '../users/user-states.js';
import { UsersService } from '../users/users.service.js';
import { type CommandSurroundings, withContext } from './context.js';

/** What commands do to accounts and sessions: the same code as the service's, recorded in the same audit. */
@Module({
  providers: [
    AccountCreation,
    AuditCounter,
    AuditPruner,
    AuditRecorder,
    OperatorSessions,
    PasswordHasher,
    PasswordPolicy,
    SecurityEvents,
    SessionFeed,
    SessionPruner,
    SessionsService,
    UserAdministration,
    UserSearch,
    UserStates,
    UsersService,
  ],
})
class AccountsCliModule {}

/** What the commands for users and sessions work with. */
export interface AccountsTools {
  readonly database: Database;
  readonly creation: AccountCreation;
  readonly administration: UserAdministration;
  readonly users: UsersService;
  readonly search: UserSearch;
  readonly hasher: PasswordHasher;
  /** `PASSWORD_MIN_LENGTH`. */
  readonly minPasswordLength: number;
  readonly sessions: OperatorSessions;
  readonly sessionPruner: SessionPruner;
  readonly auditPruner: AuditPruner;
}

/** Runs `work` with the accounts of the application's database. */
export type WithAccounts = <T>(work: (tools: AccountsTools) => Promise<T>) => Promise<T>;

/** See {@link WithAccounts}. */
export async function withAccounts<T>(
  surroundings: CommandSurroundings,
  work: (tools: AccountsTools) => Promise<T>,
): Promise<T> {
  return withContext(surroundings, AccountsCliModule, (context) =>
    work({
      database: context.get(Database, { strict: false }),
      creation: context.get(AccountCreation),
      administration: context.get(UserAdministration),
      users: context.get(UsersService),
      search: context.get(UserSearch),
      hasher: context.get(PasswordHasher),
      minPasswordLength: context.get(PasswordPolicy).minLength,
      sessions: context.get(OperatorSessions),
      sessionPruner: context.get(SessionPruner),
      auditPruner: context.get(AuditPruner),
    }),
  );
}
