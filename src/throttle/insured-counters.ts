import type { Logger } from '../http/logger.js';
import type { Counted, CounterStore, Standing, Taken } from './counter-store.js';
import type { Limit } from './limits.js';
import { Patience } from './patience.js';

/** How long a store may take before this node counts by itself: a frozen one must not hold up a sign-in. */
const STORE_LIMIT_MILLISECONDS = 300;
const PROBE_MILLISECONDS = 1_000;

/**
 * The shared counters with an insurance: while their store does not answer, this node goes on by counters in its own memory, which
 * it has kept all along, so that an outage neither opens a door nor closes one. Never rejects.
 */
export class InsuredCounters {
  private probing: NodeJS.Timeout | undefined;
  private readonly patience = new Patience(STORE_LIMIT_MILLISECONDS);

  constructor(
    private readonly shared: CounterStore,
    private readonly own: CounterStore,
    private readonly logger: Logger,
  ) {}

  /** Whether this node counts by itself at the moment. */
  get insuranceInUse(): boolean {
    return this.probing !== undefined;
  }

  /** Takes one of each that has one left. */
  async take(counted: readonly Counted[]): Promise<Taken[]> {
    const take = each(counted, (store, limit, key) => store.take(limit, key));
    const taken = await this.ask(take);
    if (taken === null) return take(this.own);
    const granted = counted.filter((_, i) => taken[i]?.granted);
    await each(granted, (store, limit, key) => store.note(limit, key))(this.own);
    return taken;
  }

  /** Undoes one {@link take} of each. */
  async giveBack(counted: readonly Counted[]): Promise<void> {
    const giveBack = each(counted, (store, limit, key) => store.giveBack(limit, key));
    await giveBack(this.own);
    await this.ask(giveBack);
  }

  /** Forgets the counters. */
  async reset(counted: readonly Counted[]): Promise<void> {
    const reset = each(counted, (store, limit, key) => store.reset(limit, key));
    await reset(this.own);
    await this.ask(reset);
  }

  /** Where the counters stand. */
  async standings(counted: readonly Counted[]): Promise<Standing[]> {
    const standings = each(counted, (store, limit, key) => store.standing(limit, key));
    return (await this.ask(standings)) ?? standings(this.own);
  }

  /** Asks the store whether it is there, once, so that the first request need not find out. */
  async start(): Promise<void> {
    await this.ask((store) => store.probe(), 2);
  }

  async close(): Promise<void> {
    clearInterval(this.probing);
    await this.shared.close();
  }

  /** What the shared store answers; null when it does not. */
  private async ask<T>(work: (store: CounterStore) => Promise<T>, times = 1): Promise<T | null> {
    if (this.insuranceInUse) return null;
    try {
      return await this.patience.within(work(this.shared), times);
    } catch (error) {
      this.insure(error);
      return null;
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
      await this.patience.within(this.shared.probe());
    } catch {
      return;
    }
    if (!this.insuranceInUse) return;
    clearInterval(this.probing);
    this.probing = undefined;
    this.logger.info({ store: this.shared.name }, 'the store of the rate limits answers again');
  }
}

/** The same of several counters, in one turn of the event loop: a store may carry it out as one. */
function each<T>(
  counted: readonly Counted[],
  work: (store: CounterStore, limit: Limit, key: string) => Promise<T>,
): (store: CounterStore) => Promise<T[]> {
  return (store) => Promise.all(counted.map(({ limit, key }) => work(store, limit, key)));
}
