import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../http/logger.js';
import type { SessionId, UserId } from '../principal/principal.js';
import { type ChangeBatch, FeedReader, PRUNE_MILLISECONDS } from './feed-reader.js';
import { FeedWaker } from './feed-waker.js';

/** How long after the last proof the cache may still answer: with a poll and its journey it keeps endings under a second. */
export const PROVEN_MILLISECONDS = 800;
const POLL_MILLISECONDS = 250;
/** A reading that takes longer proves nothing in time anyway. */
const READ_LIMIT_MILLISECONDS = 700;
/** What has changed is remembered for longer than any load of a principal may take (2.5 s). */
const REMEMBER_MILLISECONDS = 10_000;

/** Something that a cached principal may rest on has changed. Both null: everything. */
export interface PrincipalChange {
  readonly sessionId: SessionId | null;
  readonly userId: UserId | null;
}

/** Hears of each change, its own node's first of all. */
export type PrincipalChangeListener = (change: PrincipalChange) => void;

/**
 * Tells this node what makes a remembered principal untrue, whoever changed it. Triggers log each change in its transaction
 * (`principal_changes`); the log is read every 250 ms, sooner when another node rings. What is remembered counts only while
 * the log was read, successfully, within the last 800 ms: whoever is not sure asks the database.
 */
@Injectable()
export class SessionFeed implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly listeners: PrincipalChangeListener[] = [];
  private readonly reader: FeedReader;
  private readonly waker: FeedWaker;
  /** When each thing last changed, as a sequence number; and the same in order of time, for forgetting. */
  private readonly changedAt = new Map<string, { sequence: number; at: number }>();
  private current = 0;
  /** Loads that began before this cannot be judged any more. */
  private floor = 0;
  /** When the newest successful reading was sent, on both clocks: the monotonic one stands still while a machine is suspended. */
  private proven = { monotonic: -Infinity, wall: -Infinity };
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;
  private pollAgain = false;
  private stopped = false;
  private lastPrune = performance.now();

  constructor(
    database: Database,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.reader = new FeedReader(database, READ_LIMIT_MILLISECONDS);
    this.waker = new FeedWaker(database, () => void this.poll());
  }

  async onApplicationBootstrap(): Promise<void> {
    this.waker.start();
    await this.poll();
  }

  /** Adds a listener for the life of the application. */
  subscribe(listener: PrincipalChangeListener): void {
    this.listeners.push(listener);
  }

  /** Whether what is remembered may be believed at this moment. @param now `performance.now()` */
  isProven(now: number): boolean {
    return (
      now - this.proven.monotonic <= PROVEN_MILLISECONDS &&
      Date.now() - this.proven.wall <= PROVEN_MILLISECONDS
    );
  }

  /** Milliseconds since the newest proof was asked for; Infinity before the first. */
  get lagMilliseconds(): number {
    return performance.now() - this.proven.monotonic;
  }

  /** To be remembered before a principal is read from the database, and given to `changedSince` after. */
  get sequence(): number {
    return this.current;
  }

  /** Whether anything about that session or user has changed since, or cannot be told: then the reading may be out of date. */
  changedSince(sequence: number, { sessionId, userId }: { sessionId: SessionId; userId: UserId }): boolean {
    if (sequence < this.floor) return true;
    return [sessionId, userId].some((id) => (this.changedAt.get(id)?.sequence ?? 0) > sequence);
  }

  /** Takes in a change of this node's own, after its commit and before its answer, and rings for the others. */
  noteOwn(change: PrincipalChange): void {
    this.apply(change);
    this.waker.ring();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.polling;
    await Promise.all([this.reader.close(), this.waker.close()]);
  }

  /** Reads now; when a reading is under way, once more after it, since that one may have missed what we were rung for. */
  private poll(): Promise<void> {
    if (this.polling) {
      this.pollAgain = true;
      return this.polling;
    }
    clearTimeout(this.timer);
    this.polling = this.read().finally(() => {
      this.polling = undefined;
      if (this.stopped) return;
      if (this.pollAgain) {
        this.pollAgain = false;
        void this.poll();
      } else {
        this.timer = setTimeout(() => void this.poll(), POLL_MILLISECONDS).unref();
      }
    });
    return this.polling;
  }

  private async read(): Promise<void> {
    const sent = { monotonic: performance.now(), wall: Date.now() };
    try {
      const batch = await this.reader.read();
      this.take(batch);
      if (batch.trustworthy) this.prove(sent);
    } catch (error) {
      // Nothing to do but to try again: without a proof the cache has fallen silent by itself.
      if (this.isProven(performance.now()))
        this.logger.warn({ err: error }, 'the session feed could not be read');
    }
  }

  private take({ changes, discontinuity }: ChangeBatch): void {
    if (discontinuity !== null) {
      if (this.current > 0)
        this.logger.warn(
          { reason: discontinuity },
          'the session feed starts anew: everything remembered is forgotten',
        );
      this.apply({ sessionId: null, userId: null });
    }
    for (const change of changes) this.apply(change);
  }

  private prove(sent: { monotonic: number; wall: number }): void {
    if (!this.isProven(sent.monotonic) && Number.isFinite(this.proven.monotonic)) {
      this.logger.info(
        { silentForMilliseconds: Math.round(this.lagMilliseconds) },
        'the session feed is live again',
      );
    }
    this.proven = sent;
    if (sent.monotonic - this.lastPrune > PRUNE_MILLISECONDS) {
      this.lastPrune = sent.monotonic;
      void this.prune();
    }
  }

  private apply(change: PrincipalChange): void {
    this.current += 1;
    const at = performance.now();
    this.forget(at - REMEMBER_MILLISECONDS);
    const ids = [change.sessionId, change.userId].filter((id) => id !== null);
    if (ids.length === 0) this.floor = this.current;
    for (const id of ids) {
      this.changedAt.delete(id);
      this.changedAt.set(id, { sequence: this.current, at });
    }
    for (const listener of this.listeners) listener(change);
  }

  private forget(before: number): void {
    for (const [id, { sequence, at }] of this.changedAt) {
      if (at >= before) return;
      this.changedAt.delete(id);
      this.floor = Math.max(this.floor, sequence);
    }
  }

  private async prune(): Promise<void> {
    try {
      await this.reader.prune();
    } catch (error) {
      this.logger.warn({ err: error }, 'old session feed entries could not be deleted; it is tried again');
    }
  }
}
