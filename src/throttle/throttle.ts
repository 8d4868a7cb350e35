import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AppConfig } from '../config/app-config.js';
import type { Counted, Standing, Taken } from './counter-store.js';
import type { InsuredCounters } from './insured-counters.js';
import { type Limit, type Limits, limitsOf } from './limits.js';
import { COUNTERS } from './open-counters.js';
import { TooManyRequests } from './too-many-requests.js';

/** How many refused keys are remembered: the last ones. */
const REMEMBERED_REFUSALS = 10_000;

/** The rate limits of contract section 8, shared by all nodes: in Redis with `REDIS_URL`, else in PostgreSQL. */
@Injectable()
export class Throttle implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly limits: Limits;
  private readonly refusals = new Map<string, number>();
  private readonly refusedKeys = new LRUCache<string, true>({ max: REMEMBERED_REFUSALS });

  /** @param counters null with `THROTTLE=off` */
  constructor(
    config: AppConfig,
    @Inject(COUNTERS) private readonly counters: InsuredCounters | null,
  ) {
    this.limits = limitsOf(config.throttle);
    for (const { name } of Object.values<Limit>({ ...this.limits })) this.refusals.set(name, 0);
  }

  /** False with `THROTTLE=off`: everything is granted then. */
  get enabled(): boolean {
    return this.counters !== null;
  }

  /** Whether this node counts by itself, because the store does not answer. */
  get insuranceInUse(): boolean {
    return this.counters?.insuranceInUse ?? false;
  }

  /** How many requests each limit has refused here since the start, by name. */
  get refused(): ReadonlyMap<string, number> {
    return this.refusals;
  }

  /**
   * Takes one of each, or none.
   * @param spent is taken as well, and not given back when one of the others is refused. When it is refused itself, nothing is taken.
   * @returns where they stand now, the spent ones first
   * @throws Problem `too_many_requests`
   */
  async takeAll(counted: readonly Counted[], spent: readonly Counted[] = []): Promise<Standing[]> {
    if (this.counters === null) return [];
    const all = [...spent, ...counted];
    const taken = await this.counters.take(all);
    if (taken.every(({ granted }) => granted)) return taken;
    this.rememberRefused(all, taken);
    const isSpent = taken.slice(0, spent.length).every(({ granted }) => granted);
    const judged = isSpent ? spent.length : 0;
    await this.giveBack(all.filter((_, i) => i >= judged && taken[i]?.granted));
    const refused = isSpent ? taken.slice(judged) : taken.slice(0, spent.length);
    throw this.refusal(refused.filter(({ granted }) => !granted));
  }

  /** Takes one of each as far as there is one, and refuses nobody. @returns where they stand now */
  async count(counted: readonly Counted[]): Promise<Standing[]> {
    return this.counters?.take(counted) ?? [];
  }

  /** Undoes a {@link takeAll}. */
  async giveBack(counted: readonly Counted[]): Promise<void> {
    await this.counters?.giveBack(counted);
  }

  /** Forgets counters. */
  async reset(counted: readonly Counted[]): Promise<void> {
    await this.counters?.reset(counted);
  }

  /** Where counters stand; changes nothing. */
  async standings(counted: readonly Counted[]): Promise<Standing[]> {
    return this.counters?.standings(counted) ?? [];
  }

  /**
   * Whether one of them was refused here and the window of that time still runs. A hint, for who may put off asking where the
   * counters stand: another node may have refused it, or something may have been given back.
   */
  refusedLately(counted: readonly Counted[]): boolean {
    return counted.some((each) => this.refusedKeys.has(nameOf(each)));
  }

  /** The refusal by limits of which nothing is left. */
  refusal(exhausted: readonly Standing[]): TooManyRequests {
    for (const { limit } of exhausted)
      this.refusals.set(limit.name, (this.refusals.get(limit.name) ?? 0) + 1);
    return new TooManyRequests(exhausted);
  }

  private rememberRefused(counted: readonly Counted[], taken: readonly Taken[]): void {
    counted.forEach((each, i) => {
      const { granted = true, resetSeconds = 0 } = taken[i] ?? {};
      if (!granted) this.refusedKeys.set(nameOf(each), true, { ttl: Math.max(1, resetSeconds) * 1000 });
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.counters?.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.counters?.close();
  }
}

function nameOf({ limit, key }: Counted): string {
  return `${limit.name}:${key}`;
}
