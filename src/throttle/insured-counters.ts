import type { Logger } from '../http/logger.js';
import type { CounterStore, Standing, Taken } from './counter-store.js';
import type { Limit } from './limits.js';

/** How long a store may take before this node counts by itself: a frozen one must not hold up a sign-in. */
const STORE_LIMIT_MILLISECONDS = 300;
const PROBE_MILLISECONDS = 1_000;
const PARTS = 6;

/**
 * The shared counters with an insurance: while their store does not answer, this node goes on by counters in its own memory, which
 * it has kept all along, so that an outage neither opens a door nor closes one. Never rejects.
 */
export class InsuredCounters {
  private probing: NodeJS.Timeout | undefined;

  constructor(
    private readonly shared: CounterStore,
    private readonly own: CounterStore,
    private readonly logger: Logger,
  ) {}

  /** Whether this node counts by itself at the moment. */
  get insuranceInUse(): boolean {
    return this.probing !== undefined;
  }

  /** Takes one if one is left. */
  async take(limit: Limit, key: string): Promise<Taken> {
    const taken = await this.ask((store) => store.take(limit, key), null);
    if (taken === null) return this.own.take(limit, key);
    if (taken.granted) await this.own.note(limit, key);
    return taken;
  }

  /** Undoes one {@link take}. */
  async giveBack(limit: Limit, key: string): Promise<void> {
    await this.own.giveBack(limit, key);
    await this.ask((store) => store.giveBack(limit, key), undefined);
  }

  /** Forgets the counter. */
  async reset(limit: Limit, key: string): Promise<void> {
    await this.own.reset(limit, key);
    await this.ask((store) => store.reset(limit, key), undefined);
  }

  /** Where the counter stands. */
  async standing(limit: Limit, key: string): Promise<Standing> {
    return this.ask((store) => store.standing(limit, key), await this.own.standing(limit, key));
  }

  /** Asks the store whether it is there, once, so that the first request need not find out. */
  async start(): Promise<void> {
    await this.ask((store) => store.probe(), undefined, 2 * STORE_LIMIT_MILLISECONDS);
  }

  async close(): Promise<void> {
    clearInterval(this.probing);
    await this.shared.close();
  }

  private async ask<T>(
    work: (store: CounterStore) => Promise<T>,
    insured: T,
    limitMilliseconds = STORE_LIMIT_MILLISECONDS,
  ): Promise<T> {
    if (this.insuranceInUse) return insured;
    try {
      return await within(limitMilliseconds, work(this.shared));
    } catch (error) {
      this.insure(error);
      return insured;
    }
  }

  private insure(error: unknown): void {
    if (this.insuranceInUse) return;
    this.logger.warn(
      { store: this.shared.name, err: error },
      'the store of the rate limits does not answer: this node counts by itself',
    );
    this.probing = setInterval(() => void this.tryAgain(), PROBE_MILLISECONDS).unref();
  }

  private async tryAgain(): Promise<void> {
    try {
      await within(STORE_LIMIT_MILLISECONDS, this.shared.probe());
    } catch {
      return;
    }
    if (!this.insuranceInUse) return;
    clearInterval(this.probing);
    this.probing = undefined;
    this.logger.info({ store: this.shared.name }, 'the store of the rate limits answers again');
  }
}

/**
 * What comes later than that is not waited for; whether it happened is not known. Time in which this process itself stood still
 * counts as one part of it only: then the answer may be there, and nobody has had the time to read it.
 */
async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    let left = PARTS;
    timer = setInterval(() => {
      left -= 1;
      if (left === 0) reject(new Error(`no answer within ${milliseconds} ms`));
    }, milliseconds / PARTS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearInterval(timer);
  }
}
