import { LRUCache } from 'lru-cache';
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import { CounterStore } from './counter-store.js';
import type { Limit } from './limits.js';

/** Keys of one limit at most: some 4 MB. A stranger who thinks up a million of them must not fill the memory. */
export const MAX_KEYS = 10_000;
/** Longer than this a timer of Node fires at once, and the counter would be forgotten. */
const MAX_WINDOW_SECONDS = 2_000_000;

/** Counters of this process alone. */
export function memoryStore(): CounterStore {
  return new CounterStore({
    name: 'memory',
    limiter: (limit) => new BoundedMemoryLimiter(limit),
    probe: async () => undefined,
    close: () => undefined,
  });
}

/** The library's limiter in memory, but with an end to its keys: the ones that were not used for longest go. */
class BoundedMemoryLimiter extends RateLimiterMemory {
  private readonly used = new LRUCache<string, true>({
    max: MAX_KEYS,
    dispose: (_, key, reason) => {
      if (reason === 'evict') void super.delete(key);
    },
  });

  constructor({ points, windowSeconds }: Limit) {
    super({ keyPrefix: '', points, duration: Math.min(windowSeconds, MAX_WINDOW_SECONDS) });
  }

  override async consume(key: string): Promise<RateLimiterRes> {
    this.used.set(key, true);
    try {
      return await super.consume(key);
    } catch (refusal) {
      await super.reward(key);
      throw refusal;
    }
  }

  override async penalty(key: string): Promise<RateLimiterRes> {
    this.used.set(key, true);
    return super.penalty(key);
  }

  override async reward(key: string): Promise<RateLimiterRes> {
    const rewarded = await super.reward(key);
    if (rewarded.consumedPoints <= 0) await super.delete(key);
    return rewarded;
  }
}
