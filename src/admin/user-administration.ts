import { Injectable } from '@nestjs/common';
import { Database, type Transaction } from '../database/database.js';
import type { Act } from '../events/act.js';
import { SecurityEvents } from '../events/security-events.js';
import { Problem } from '../http/problem.js';
import type { UserId } from '../principal/principal.js';
import { type EndReason, SessionsService } from '../sessions/sessions.service.js';
import { sameRoles } from '../users/role-names.js';
import { type UserState, UserStates } from '../users/user-states.js';

const ADMIN = 'admin';

/**
 * What administrators and operators do to accounts. Each is one transaction with its record, and holds everywhere within a second.
 * An administrator must not be able to leave the company without one; an operator at the command line can, and can undo it.
 *
 * @throws Problem `not_found` for an unknown id, `forbidden` for what an administrator may not do
 */
@Injectable()
export class UserAdministration {
  constructor(
    private readonly database: Database,
    private readonly states: UserStates,
    private readonly sessions: SessionsService,
    private readonly events: SecurityEvents,
  ) {}

  /** Ends all sessions, and lets nobody in any more. Does nothing when it is so already. */
  async disable(id: UserId, act: Act): Promise<void> {
    await this.change(id, act, async (user, tx, admins) => {
      if (user.disabled) return;
      refuseLastAdmin(user, admins, act);
      await this.states.setDisabled(tx, id, true);
      await this.sessions.endOthers(id, [], 'user_disabled', tx, act);
      await this.events.publish({ type: 'user_disabled', userId: id }, tx, act);
    });
  }

  /** Lets the user sign in again. No session comes back, also of an account that was disabled by hand. */
  async enable(id: UserId, act: Act): Promise<void> {
    await this.change(id, act, async (user, tx) => {
      if (!user.disabled) return;
      await this.sessions.endOthers(id, [], 'user_disabled', tx, act);
      await this.states.setDisabled(tx, id, false);
      await this.events.publish({ type: 'user_enabled', userId: id }, tx, act);
    });
  }

  /** Replaces the roles by exactly these. Sessions go on; access tokens that name other roles are expired. */
  async setRoles(id: UserId, roles: readonly string[], act: Act): Promise<void> {
    await this.change(id, act, async (user, tx, admins) => {
      if (sameRoles(user.roles, roles)) return;
      if (!roles.includes(ADMIN)) refuseLastAdmin(user, admins, act);
      await this.states.setRoles(tx, id, roles);
      await this.events.publish({ type: 'roles_changed', userId: id, from: user.roles, to: roles }, tx, act);
    });
  }

  /** Ends all sessions of a user. @returns how many there were. */
  async endSessions(id: UserId, reason: EndReason, act: Act): Promise<number> {
    return this.change(id, act, async (_user, tx) => {
      return (await this.sessions.endOthers(id, [], reason, tx, act)).length;
    });
  }

  /** Replaces the password and ends all sessions: whoever knew the old one is out. */
  async resetPassword(id: UserId, passwordHash: string, act: Act): Promise<void> {
    await this.change(id, act, async (_user, tx) => {
      await this.states.setPasswordHash(tx, id, passwordHash);
      await this.sessions.endOthers(id, [], 'password_reset', tx, act);
      await this.events.publish({ type: 'password_reset', userId: id }, tx, act);
    });
  }

  /** Deletes the account for good. What the audit says of it stays: ids, and no email. */
  async remove(id: UserId, act: Act): Promise<void> {
    await this.change(id, act, async (user, tx, admins) => {
      refuseLastAdmin(user, admins, act);
      await this.sessions.endOthers(id, [], 'user_deleted', tx, act);
      await this.events.publish({ type: 'user_deleted', userId: id }, tx, act);
      await this.states.remove(tx, id);
    });
  }

  private change<T>(
    id: UserId,
    act: Act,
    work: (user: UserState, tx: Transaction, admins: readonly UserId[]) => Promise<T>,
  ): Promise<T> {
    return this.database.transaction(async (tx) => {
      const admins = await this.states.lockAdmins(tx);
      // The guard's word may be a second old; this one holds until the commit.
      if (act.actor !== 'cli' && !admins.some((admin) => admin === act.actor)) throw new Problem('forbidden');
      const user = await this.states.lock(tx, id);
      if (!user) throw new Problem('not_found', { detail: 'There is no user of that id.' });
      return work(user, tx, admins);
    });
  }
}

function refuseLastAdmin({ id }: UserState, admins: readonly UserId[], { actor }: Act): void {
  if (actor === 'cli' || !admins.includes(id)) return;
  if (actor === id) {
    throw new Problem('forbidden', {
      detail: 'Nobody can take the role admin or the account from themselves.',
    });
  }
  // Who acts is one of them, so one is left: unless the two were done at the same moment.
  if (admins.length === 1) throw new Problem('forbidden', { detail: 'This is the last administrator.' });
}
