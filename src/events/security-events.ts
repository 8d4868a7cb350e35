import { Injectable } from '@nestjs/common';
import type { Queryable } from '../database/database.js';
import type { SessionId, UserId } from '../principal/principal.js';

/** Where a request came from, for events that need it. */
interface Origin {
  readonly address: string;
  readonly userAgent: string | null;
}

/** What a security reviewer wants to know of. No event ever holds a password, a token or a cookie. */
export type SecurityEvent =
  | { readonly type: 'user_created'; readonly userId: UserId }
  | ({ readonly type: 'login_failed'; readonly userId: UserId | null } & Origin)
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
    } & Origin);

/** Hears of each event; inside the transaction that caused it when there is one, so that neither exists without the other. */
export type SecurityEventListener = (event: SecurityEvent, on: Queryable | undefined) => void | Promise<void>;

/** Typed events, so that audit, metrics and mail can listen and no feature knows of them. */
@Injectable()
export class SecurityEvents {
  private readonly listeners: SecurityEventListener[] = [];

  /** Adds a listener for the life of the application. */
  subscribe(listener: SecurityEventListener): void {
    this.listeners.push(listener);
  }

  /** Tells all listeners, in the order they subscribed. A listener that fails fails the action that it records. */
  async publish(event: SecurityEvent, on?: Queryable): Promise<void> {
    for (const listener of this.listeners) await listener(event, on);
  }
}
