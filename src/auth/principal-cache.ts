import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { type PrincipalChange, SessionFeed } from '../feed/session-feed.js';
import type { SessionRecord } from '../sessions/session-record.js';
import type { Authentication } from '../principal/authentication.js';

/** About 30 MB at the most. */
const MAX_ENTRIES = 20_000;
/** Nothing is believed longer than this without asking the database, whatever the feed says. */
const MAX_MILLISECONDS = 60_000;

/** What a credential was found to stand for. */
export interface CachedPrincipal {
  readonly session: SessionRecord;
  readonly authentication: Authentication;
  /** When it may no longer be used (`performance.now()`): never past the credential's or the session's end. */
  readonly deadline: number;
  /** When the use of the session is due to be noted (`performance.now()`). Moves on. */
  activityDue: number;
}

/** A reading of the database that is about to begin. */
export interface Load {
  readonly sequence: number;
  readonly startedAt: number;
}

/**
 * Remembers for up to a minute whom a credential stands for, so that an authenticated request costs what an open one does: no I/O,
 * no Passport, no express-session, no signature. It answers only while the session feed proves that nothing has changed.
 */
@Injectable()
export class PrincipalCache {
  /** By session id and by user id: the keys of the entries that rest on them. */
  private readonly keysOf = new Map<string, Set<string>>();
  private readonly entries = new LRUCache<string, CachedPrincipal>({
    max: MAX_ENTRIES,
    dispose: ({ session }, key) => {
      this.unlink(session.id, key);
      this.unlink(session.user.id, key);
    },
  });
  private hitCount = 0;
  private missCount = 0;
  private off = false;

  constructor(private readonly feed: SessionFeed) {
    feed.subscribe((change) => this.drop(change));
  }

  /** Gauges for operators. */
  get statistics() {
    const { size } = this.entries;
    return {
      entries: size,
      hits: this.hitCount,
      misses: this.missCount,
      bypassed: !this.feed.isProven(performance.now()),
    };
  }

  /** From here on every request asks the database. */
  turnOff(): void {
    this.off = true;
  }

  /** The key of a credential. */
  keyOf(credential: string): string {
    return hash('sha256', credential, 'base64');
  }

  /**
   * Whom the credential stands for, if that is known and proven at this moment.
   * @param strategy whose credential it is: none answers for another
   * @param now `performance.now()`
   */
  get(key: string, strategy: string, now: number): CachedPrincipal | undefined {
    const entry = !this.off && this.feed.isProven(now) ? this.entries.get(key) : undefined;
    if (entry && now < entry.deadline && entry.authentication.principal.strategy === strategy) {
      this.hitCount += 1;
      return entry;
    }
    this.missCount += 1;
    return undefined;
  }

  /** To be called before the database is read. */
  beginLoad(): Load {
    return { sequence: this.feed.sequence, startedAt: performance.now() };
  }

  /** Keeps what was read, unless something about it has changed since the reading began: then it may be out of date already. */
  put(key: string, load: Load, session: SessionRecord, authentication: Authentication): void {
    const { id: sessionId, user } = session;
    if (this.feed.changedSince(load.sequence, { sessionId, userId: user.id })) return;
    const ends = [session.expiresAt, session.idleExpiresAt, session.credentialExpiresAt ?? session.expiresAt];
    const millisecondsLeft = Math.min(
      MAX_MILLISECONDS,
      ...ends.map((end) => end.getTime() - session.readAt.getTime()),
    );
    const deadline = load.startedAt + millisecondsLeft;
    this.entries.set(key, {
      session,
      authentication,
      deadline,
      activityDue: load.startedAt + session.activityDueIn,
    });
    this.link(sessionId, key);
    this.link(user.id, key);
  }

  private drop({ sessionId, userId }: PrincipalChange): void {
    if (sessionId === null && userId === null) {
      this.entries.clear();
      return;
    }
    for (const id of [sessionId, userId]) {
      if (id !== null) for (const key of [...(this.keysOf.get(id) ?? [])]) this.entries.delete(key);
    }
  }

  private link(id: string, key: string): void {
    const keys = this.keysOf.get(id);
    if (keys) keys.add(key);
    else this.keysOf.set(id, new Set([key]));
  }

  private unlink(id: string, key: string): void {
    const keys = this.keysOf.get(id);
    keys?.delete(key);
    if (keys?.size === 0) this.keysOf.delete(id);
  }
}
