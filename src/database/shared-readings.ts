/** A reading that is under way, and the one that follows it. */
interface Readings<T> {
  readonly running: Promise<T>;
  next: Promise<T> | undefined;
}

/**
 * Answers all who ask the same thing at once by few readings of the database, none of which is older than the question: whoever
 * asks while a reading is under way shares the next one, which begins when that one has ended.
 */
export class SharedReadings<T> {
  private readonly byKey = new Map<string, Readings<T>>();

  /** @param look reads; whoever shares the reading gets its result, or its error */
  async read(key: string, look: () => Promise<T>): Promise<T> {
    const current = this.byKey.get(key);
    if (!current) return this.begin(key, look);
    const begin = (): Promise<T> => this.begin(key, look);
    return (current.next ??= current.running.then(begin, begin));
  }

  private begin(key: string, look: () => Promise<T>): Promise<T> {
    const readings: Readings<T> = { running: look(), next: undefined };
    this.byKey.set(key, readings);
    const ended = (): void => {
      if (readings.next === undefined) this.byKey.delete(key);
    };
    readings.running.then(ended, ended);
    return readings.running;
  }
}
