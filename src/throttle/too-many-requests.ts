import { Problem } from '../http/problem.js';
import type { Standing } from './counter-store.js';

/** The refusal by limits of which nothing is left: 429, with the time until all of them begin anew. */
export class TooManyRequests extends Problem {
  constructor(private readonly exhausted: readonly Standing[]) {
    super('too_many_requests', {
      retryAfterSeconds: Math.max(1, ...exhausted.map(({ resetSeconds }) => resetSeconds)),
    });
  }

  /** The names of these limits, as metrics call them. */
  get limits(): string[] {
    return this.exhausted.map(({ limit }) => limit.name);
  }
}
