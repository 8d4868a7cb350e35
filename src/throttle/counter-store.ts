import { type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';
import type { Limit } from './limits.js';

/** A limit and what it is counted by. */
export interface Counted {
  readonly limit: Limit;
  readonly key: string;
}

/** Where a counter stands. */
export interface Standing {
  readonly limit: Limit;
  /** How many are left in this window. */
  readonly remaining: number;
  /** Until the window ends, in whole seconds; 0 while none has begun. */
  readonly resetSeconds: number;
}

/** The answer to an attempt to take one. */
export interface Taken extends Standing {
  readonly granted: boolean;
}

/** What a store has besides the counters themselves. */
export interface StoreParts {
  /** `postgres`, `redis` or `memory`, for the log. */
  readonly name: string;
  /** A limiter of rate-limiter-flexible for one limit. A refused `consume` must not count, and `reward` never go below 0. */
  readonly limiter: (limit: Limit) => RateLimiterAbstract;
  /** Resolves when the store can be written to. */
  readonly probe: () => Promise<unknown>;
  readonly close: () => Promise<void> | void;
}

/** Counters in one place: PostgreSQL, Redis or memory behave alike behind it. Everything rejects when the place is not there. */
export class CounterStore {
  readonly name: string;
  private readonly limiters = new Map<string, RateLimiterAbstract>();

  constructor(private readonly parts: StoreParts) {
    this.name = parts.name;
  }

  /** Takes one if one is left, in one atomic step. A refusal leaves no trace. */
  async take(limit: Limit, key: string): Promise<Taken> {
    try {
      return { granted: true, ...standing(limit, await this.limiterOf(limit).consume(key)) };
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      return { granted: false, ...standing(limit, refusal), remaining: 0 };
    }
  }

  /** Counts one that was granted elsewhere, whether or not one is left here. */
  async note(limit: Limit, key: string): Promise<void> {
    await this.limiterOf(limit).penalty(key);
  }

  /** Undoes one {@link take}. In a window that has ended meanwhile there is nothing to undo. */
  async giveBack(limit: Limit, key: string): Promise<void> {
    await this.limiterOf(limit).reward(key);
  }

  /** Forgets the counter. */
  async reset(limit: Limit, key: string): Promise<void> {
    await this.limiterOf(limit).delete(key);
  }

  /** Where the counter stands; changes nothing. */
  async standing(limit: Limit, key: string): Promise<Standing> {
    const counter = await this.limiterOf(limit).get(key);
    return counter ? standing(limit, counter) : { limit, remaining: limit.points, resetSeconds: 0 };
  }

  /** Resolves when the store can be written to. */
  async probe(): Promise<void> {
    await this.parts.probe();
  }

  async close(): Promise<void> {
    await this.parts.close();
  }

  private limiterOf(limit: Limit): RateLimiterAbstract {
    const known = this.limiters.get(limit.name);
    if (known) return known;
    const limiter = this.parts.limiter(limit);
    this.limiters.set(limit.name, limiter);
    return limiter;
  }
}

function standing(limit: Limit, { consumedPoints, msBeforeNext }: RateLimiterRes): Standing {
  return {
    limit,
    remaining: Math.min(limit.points, Math.max(0, limit.points - consumedPoints)),
    // A clock that was set back must not make the window longer than it is.
    resetSeconds: Math.min(limit.windowSeconds, Math.max(0, Math.ceil(msBeforeNext / 1000))),
  };
}
