/** The most keys of one statement. */
const MAX_KEYS = 100;

/** A change to what is kept under a key, and whoever waits for its outcome. */
interface Wanted<C, R> {
  readonly key: string;
  readonly change: C;
  readonly resolve: (outcome: R | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Changes by key, many with one statement: those that are wanted in the same turn of the event loop. A key comes once in a
 * statement: who wants a second change of it goes with the next turn. Each hears of its own outcome, or of the statement's error.
 */
export class BatchedWrites<C, R> {
  private wanted: Wanted<C, R>[] = [];
  private isScheduled = false;

  /**
   * @param write carries out the changes and answers the outcomes by key, undefined where there is none. Statements of several turns
   * run side by side: it takes locks in the order of the keys.
   */
  constructor(private readonly write: (changes: ReadonlyMap<string, C>) => Promise<ReadonlyMap<string, R>>) {}

  /** Carries out one change. */
  async apply(key: string, change: C): Promise<R | undefined> {
    return new Promise((resolve, reject) => {
      this.wanted.push({ key, change, resolve, reject });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.isScheduled || this.wanted.length === 0) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      void this.run(this.take());
      this.schedule();
    });
  }

  /** The first of each key. */
  private take(): Map<string, Wanted<C, R>> {
    const batch = new Map<string, Wanted<C, R>>();
    const later: Wanted<C, R>[] = [];
    for (const wanted of this.wanted) {
      if (batch.size < MAX_KEYS && !batch.has(wanted.key)) batch.set(wanted.key, wanted);
      else later.push(wanted);
    }
    this.wanted = later;
    return batch;
  }

  private async run(batch: ReadonlyMap<string, Wanted<C, R>>): Promise<void> {
    try {
      const changes = new Map([...batch].map(([key, { change }]) => [key, change]));
      const outcomes = await this.write(changes);
      for (const [key, { resolve }] of batch) resolve(outcomes.get(key));
    } catch (error) {
      for (const { reject } of batch.values()) reject(error);
    }
  }
}
