import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type SessionData, Store } from 'express-session';
import type { Queryable } from '../../database/database.js';
import type { SessionId } from '../../principal/principal.js';
import { CredentialStore } from '../../sessions/credential-store.js';
import type { SessionRecord } from '../../sessions/session-record.js';
import { SessionsService } from '../../sessions/sessions.service.js';
import { CredentialRejected } from '../auth-strategy.js';

declare module 'express-session' {
  interface SessionData {
    /** The login session that a newly opened cookie is for. It changes what express-session hashes, which makes it send the cookie. */
    sessionId?: SessionId;
    /** The transaction that starts that one, if any. A function, which express-session does not hash. */
    startedIn?: () => Queryable | undefined;
    /** The login session that an existing cookie stands for, whatever its state. A function likewise. */
    record?: () => SessionRecord;
  }
}

const STRATEGY = 'session';

/**
 * express-session's store over the `credentials` and `sessions` rows. The id is kept as its SHA-256 alone.
 * Nothing is ever created by a look-up, nothing brought back by a late save: `set` writes a credential for a session that
 * was just started and is live, and for an existing one does nothing. There is no `touch`: activity has its own way.
 */
@Injectable()
export class CredentialSessionStore extends Store {
  constructor(
    private readonly sessions: SessionsService,
    private readonly credentials: CredentialStore,
  ) {
    super();
  }

  override get(sid: string, callback: (error: unknown, data?: SessionData | null) => void): void {
    settle(this.read(sid), callback);
  }

  override set(sid: string, data: SessionData, callback: (error?: unknown) => void): void {
    settle(this.open(sid, data), callback);
  }

  override destroy(sid: string, callback: (error?: unknown) => void): void {
    settle(this.end(sid), callback);
  }

  /** The id for a session that is running already: whoever asks is told the same. @throws CredentialRejected when it has ended */
  async obtain(sessionId: SessionId): Promise<string> {
    const sid = await this.credentials.obtainSecret({ sessionId, strategy: STRATEGY, hashOf: sha256 });
    if (sid === null) throw new CredentialRejected('credential_invalid');
    return sid;
  }

  private async read(sid: string): Promise<SessionData | null> {
    const record = await this.sessions.findBySecret(STRATEGY, sha256(sid));
    // express-session replaces the cookie that it reads here by one of its own options.
    return record ? ({ cookie: { originalMaxAge: null }, record: () => record } satisfies SessionData) : null;
  }

  private async open(sid: string, { sessionId, startedIn }: SessionData): Promise<void> {
    if (!sessionId) return;
    const secretHash = sha256(sid);
    const on = startedIn?.();
    const credential = await this.credentials.put({ sessionId, strategy: STRATEGY, secretHash, on });
    if (!credential) throw new CredentialRejected('credential_invalid');
  }

  private async end(sid: string): Promise<void> {
    const record = await this.sessions.findBySecret(STRATEGY, sha256(sid));
    if (record) await this.sessions.end([record.id], 'logout');
  }
}

function sha256(sid: string): Buffer {
  return createHash('sha256').update(sid).digest();
}

/** Hands a promise to a Node callback, outside of the promise so that a throwing callback is not swallowed. */
function settle<T>(promise: Promise<T>, callback: (error: unknown, value?: T) => void): void {
  promise.then(
    (value) => process.nextTick(callback, null, value),
    (error: unknown) => process.nextTick(callback, error),
  );
}
