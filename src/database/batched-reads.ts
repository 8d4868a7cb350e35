/** Statements under way at once: one that hangs on a broken connection must not stop all readers. */
const LANES = 4;
/** The most keys of one statement. */
const MAX_KEYS = 100;

/** A key that is to be read, and those who want to know. */
interface Wanted<T> {
  readonly key: string;
  /** When the first of them asked (`performance.now()`). */
  readonly since: number;
  readonly callers: {
    readonly resolve: (found: T | null) => void;
    readonly reject: (error: unknown) => void;
  }[];
}

/**
 * Reads by key, many keys with one statement: those that are asked for in the same turn of the event loop, or while the lanes are
 * busy, and one key that many ask for is read once. No answer is older than the question: a reading begins after all that share
 * it have asked. So a herd costs the database a few statements, and a request alone waits for nobody.
 */
export class BatchedReads<T> {
  private wanted = new Map<string, Wanted<T>>();
  private underWay = 0;
  private isScheduled = false;

  /**
   * @param read answers what it found by key; its error is told to all who wait for it. `since` is when the first of them began to
   * wait (`performance.now()`).
   */
  constructor(
    private readonly read: (keys: readonly string[], since: number) => Promise<ReadonlyMap<string, T>>,
  ) {}

  /** What is found under the key, or null. */
  async get(key: string): Promise<T | null> {
    return new Promise((resolve, reject) => {
      const wanted = this.wanted.get(key);
      if (wanted) wanted.callers.push({ resolve, reject });
      else this.wanted.set(key, { key, since: performance.now(), callers: [{ resolve, reject }] });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.isScheduled || this.underWay >= LANES || this.wanted.size === 0) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      void this.run(this.take());
    });
  }

  private take(): Wanted<T>[] {
    const batch = [...this.wanted.values()].slice(0, MAX_KEYS);
    for (const { key } of batch) this.wanted.delete(key);
    return batch;
  }

  private async run(batch: readonly Wanted<T>[]): Promise<void> {
    this.underWay += 1;
    this.schedule();
    try {
      // In the order in which they were asked for.
      const since = batch[0]?.since ?? performance.now();
      const keys = batch.map(({ key }) => key);
      const found = await this.read(keys, since);
      for (const { key, callers } of batch)
        for (const { resolve } of callers) resolve(found.get(key) ?? null);
    } catch (error) {
      for (const { callers } of batch) for (const { reject } of callers) reject(error);
    } finally {
      this.underWay -= 1;
      this.schedule();
    }
  }
}
