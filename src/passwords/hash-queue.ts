import { randomInt } from 'node:crypto';
import { Problem } from '../http/problem.js';

/** A job that waits: its place is handed to it, or it is sent away. */
interface Waiting {
  start(): void;
  refuse(problem: Problem): void;
}

/**
 * Lets a bounded number of jobs run at once and a bounded number wait, first come first served. Hashing is the one thing
 * here that costs a core for tens of milliseconds: without bounds a burst of logins would fill memory and leave everybody waiting.
 */
export class HashQueue {
  #running = 0;
  /** In the order of arrival. */
  readonly #waiting = new Set<Waiting>();
  readonly #draining = new Set<() => void>();
  #isEnding = false;

  /**
   * @param concurrency jobs that run at once, at least 1
   * @param capacity jobs that wait beyond those, at least 0
   */
  constructor(
    readonly concurrency: number,
    readonly capacity: number,
  ) {}

  /** Jobs that run now. */
  get running(): number {
    return this.#running;
  }

  /** Jobs that wait for one of them to end. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Runs `work` when its turn comes; rejects as it does.
   *
   * @param signal whose abort, while the job waits, takes it out of the queue; a job that runs is not stopped
   * @throws Problem `overloaded` when the queue is full or ends, `request_timeout` (which nobody is there to read) when aborted
   */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    throwIfAborted(signal);
    if (this.#running < this.concurrency) this.#running += 1;
    else await this.#turn(signal);
    try {
      throwIfAborted(signal);
      return await work();
    } finally {
      this.#release();
    }
  }

  /** Resolves when nothing runs or waits. Takes no new jobs away: those that come meanwhile are waited for as well. */
  async drain(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#draining.add(resolve));
  }

  /** From here on nobody waits: who does is sent away with `overloaded`, as is who would have to. Jobs that run go on. */
  refuseWaiting(): void {
    this.#isEnding = true;
    for (const each of this.#waiting) each.refuse(overloadedProblem());
  }

  /** Waits until a job that ends hands its place over. */
  #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#isEnding || this.#waiting.size >= this.capacity) throw overloadedProblem();
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiting);
        signal?.removeEventListener('abort', abort);
      };
      const abort = () => waiting.refuse(goneProblem(signal));
      const waiting: Waiting = {
        start: () => {
          leave();
          resolve();
        },
        refuse: (problem) => {
          leave();
          reject(problem);
        },
      };
      this.#waiting.add(waiting);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  #release(): void {
    const [next] = this.#waiting;
    if (next !== undefined) {
      next.start();
      return;
    }
    this.#running -= 1;
    if (this.#running > 0) return;
    for (const resolve of this.#draining) resolve();
    this.#draining.clear();
  }
}

/** Spread, so that those who are refused together do not come back together. */
function overloadedProblem(): Problem {
  return new Problem('overloaded', { retryAfterSeconds: randomInt(1, 4) });
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw goneProblem(signal);
}

function goneProblem(signal: AbortSignal | undefined): Problem {
  return new Problem('request_timeout', { cause: signal?.reason });
}
