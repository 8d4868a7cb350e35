/** The writes of a transaction of whose outcome only the failure matters. */
export class HeldWrites {
  private readonly answers: Promise<void>[] = [];
  private firstFailure: { readonly error: unknown } | null = null;

  /** Goes on without the answer. @param failure words its error */
  add(answer: Promise<unknown>, failure = (error: unknown) => error): void {
    const settled = answer.then(
      () => undefined,
      (error: unknown) => void (this.firstFailure ??= { error: failure(error) }),
    );
    this.answers.push(settled);
  }

  /** Resolves when all are answered. @throws what the first that failed failed with */
  async answered(): Promise<void> {
    await Promise.all(this.answers);
    if (this.firstFailure) throw this.firstFailure.error;
  }
}
