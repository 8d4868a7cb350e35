import type { PooledClient } from './pooled-client.js';

/** Statements of a transaction that go to the server with the one after them, in the same turn of the event loop: a round trip less for each. */
export class HeldWrites {
  private readonly answers: Promise<void>[] = [];
  private firstFailure: { readonly error: unknown } | null = null;
  private isHolding = false;

  constructor(private readonly client: PooledClient) {}

  /** Runs a statement, which waits on this side for the next one. @param failure words its error */
  hold(run: () => Promise<unknown>, failure = (error: unknown) => error): void {
    this.keep();
    const answer = run().then(
      () => undefined,
      (error: unknown) => void (this.firstFailure ??= { error: failure(error) }),
    );
    this.answers.push(answer);
  }

  /** Runs the next one. */
  release<T>(run: () => Promise<T>): Promise<T> {
    const answer = run();
    this.send();
    return answer;
  }

  /** Resolves when all are answered. @throws what the first that failed failed with */
  async answered(): Promise<void> {
    await Promise.all(this.answers);
    if (this.firstFailure) throw this.firstFailure.error;
  }

  private keep(): void {
    if (this.isHolding) return;
    this.isHolding = true;
    this.client.cork();
    // The next one may be TypeORM's, which knows nothing of this.
    setImmediate(() => this.send());
  }

  private send(): void {
    if (!this.isHolding) return;
    this.isHolding = false;
    this.client.uncork();
  }
}
