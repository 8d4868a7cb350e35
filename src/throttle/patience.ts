const PARTS = 6;

/** Somebody who waits. */
interface Waiting {
  partsLeft: number;
  giveUp: () => void;
}

/**
 * Waits for answers, each for a limited time. Time in which this process itself stood still counts as one part of it only: then the answer
 * may be there, and nobody has had the time to read it. One timer stands for all who wait, and goes on a little when nobody does: nearly
 * every answer is there long before a timer of its own would be due.
 */
export class Patience {
  private readonly waiting = new Set<Waiting>();
  private timer: NodeJS.Timeout | undefined;

  /** @param milliseconds how long an answer may take: so long at least, and a sixth more at the most */
  constructor(private readonly milliseconds: number) {}

  /** Rejects when the answer takes longer; whether what was asked for happens is not known then. @param times the limit, so many times */
  async within<T>(work: Promise<T>, times = 1): Promise<T> {
    // The part that runs already is not counted.
    const waiting: Waiting = { partsLeft: times * PARTS + 1, giveUp: () => undefined };
    const late = new Promise<never>((_, reject) => {
      waiting.giveUp = () => reject(new Error(`no answer within ${times * this.milliseconds} ms`));
    });
    this.waiting.add(waiting);
    this.timer ??= setInterval(() => this.tick(), this.milliseconds / PARTS).unref();
    try {
      return await Promise.race([work, late]);
    } finally {
      this.waiting.delete(waiting);
    }
  }

  private tick(): void {
    if (this.waiting.size === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
    }
    for (const each of this.waiting) {
      each.partsLeft -= 1;
      if (each.partsLeft === 0) each.giveUp();
    }
  }
}
