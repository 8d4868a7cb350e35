import { Injectable } from '@nestjs/common';
import type { Queryable } from '../database/database.js';
import type { SessionId, UserId } from '../principal/principal.js';
import { type Act, UNKNOWN_ACT } from './act.js';

/** Where a request came from, for events that need it. */
interface Origin {
  readonly address: string;
  readonly userAgent: string | null;
}

/** What a security reviewer wants to know of. No event ever holds a password, a token or a cookie. */
export type SecurityEvent =
  | { readonly type: 'user_created'; readonly userId: UserId }
  | ({
      readonly type: 'login_failed';
      readonly userId: UserId | null;
      /** Stands for the address that was tried, whether or not it has an account: a keyed hash, of no use without the key. */
      readonly account: string;
    } & Origin)
  | ({
      /** An attempt was refused unseen, because there were too many failed ones of this account. */
      readonly type: 'account_locked';
      readonly userId: UserId | null;
      /** As of `login_failed`. */
      readonly account: string;
      /** Which limits of the account were reached. */
      readonly limits: readonly string[];
    } & Origin)
  | ({
      readonly type: 'session_started';
      readonly userId: UserId;
      readonly sessionId: SessionId;
      /** No session of this user was ever seen from this address with this user agent. */
      readonly newDevice: boolean;
    } & Origin)
  | {
      readonly type: 'session_ended';
      readonly userId: UserId;
      readonly sessionId: SessionId;
      readonly reason: string;
    }
  | ({
      /** A session was given the credential of another strategy; the one that was shown lives on. */
      readonly type: 'session_exchanged';
      readonly userId: UserId;
      readonly sessionId: SessionId;
      /** The strategy whose credential was shown, and the one whose was handed out. */
      readonly from: string;
      readonly to: string;
    } & Origin)
  | { readonly type: 'password_changed'; readonly userId: UserId; readonly sessionId: SessionId }
  | ({
      /** `refresh_replayed`: the direct predecessor came again within the grace, from elsewhere. `refresh_reused`: theft. */
      readonly type: 'refresh_replayed' | 'refresh_reused' | 'refresh_ahead';
      readonly userId: UserId;
      readonly sessionId: SessionId;
      /** Who spent the token before: the other fingerprint. */
      readonly previous: Origin;
    } & Origin)
  | ({
      readonly type: 'csrf_refused';
      /** Whose cookie came along; null at a sign-in, where none counts. */
      readonly userId: UserId | null;
      readonly sessionId: SessionId | null;
      readonly code: 'csrf_failed' | 'origin_not_allowed';
    } & Origin)
  | ({
      /** Somebody who is signed in asked for what none of their roles allows. */
      readonly type: 'access_refused';
      readonly userId: UserId;
      readonly sessionId: SessionId;
      /** One of these would have been enough. */
      readonly required: readonly string[];
    } & Origin)
  /** `password_reset`: an operator gave the user a new password. */
  | {
      readonly type: 'user_disabled' | 'user_enabled' | 'user_deleted' | 'password_reset';
      readonly userId: UserId;
    }
  | {
      readonly type: 'roles_changed';
      readonly userId: UserId;
      readonly from: readonly string[];
      readonly to: readonly string[];
    };

/**
 * Hears of each event. `on` is the transaction that caused it: what is written there exists exactly when the cause does. Without
 * one the event is of a request that changed nothing, and anybody can cause any number of them.
 */
export type SecurityEventListener = (
  event: SecurityEvent,
  on: Queryable | undefined,
  act: Act,
) => void | Promise<void>;

/** Typed events, so that audit, metrics and mail can listen and no feature knows of them. */
@Injectable()
export class SecurityEvents {
  private readonly listeners: SecurityEventListener[] = [];

  /** Adds a listener for the life of the application. */
  subscribe(listener: SecurityEventListener): void {
    this.listeners.push(listener);
  }

  /**
   * Tells all listeners, in the order they subscribed. A listener that fails fails the action that it records.
   * @param on the transaction of the change that the event tells of
   * @param act who did it, by which request
   */
  async publish(event: SecurityEvent, on?: Queryable, act: Act = UNKNOWN_ACT): Promise<void> {
    for (const listener of this.listeners) await listener(event, on, act);
  }
}
