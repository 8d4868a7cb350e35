/** One statement's limit. */
interface Limit {
  /** When it is reached (`performance.now()`). */
  readonly at: number;
  readonly onReached: () => void;
}

/**
 * The time limits of what is under way on one connection. Nearly all are ended before they are reached, so one timer stands for all of
 * them: it is set for the first, and looks again for the next, instead of being set and cleared with each statement.
 */
export class StatementLimits {
  private readonly underWay = new Set<Limit>();
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Infinity;

  /** @param onReached is called once, unless the function that this returns, which ends the limit, is called before */
  begin(milliseconds: number, onReached: () => void): () => void {
    const limit = { at: performance.now() + milliseconds, onReached };
    this.underWay.add(limit);
    if (limit.at < this.timerAt) this.setTimer(limit.at);
    return () => void this.underWay.delete(limit);
  }

  private setTimer(at: number): void {
    clearTimeout(this.timer);
    this.timerAt = at;
    // A connection keeps the process running by itself; what only looks after one does not.
    this.timer = setTimeout(() => this.look(), Math.max(1, Math.ceil(at - performance.now()))).unref();
  }

  private look(): void {
    this.timerAt = Infinity;
    const now = performance.now();
    for (const limit of this.underWay) {
      if (limit.at > now) continue;
      this.underWay.delete(limit);
      limit.onReached();
    }
    const next = Math.min(...[...this.underWay].map(({ at }) => at));
    if (next < Infinity) this.setTimer(next);
  }
}
