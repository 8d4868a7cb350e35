/** Why the process cannot start, in words for whoever runs it. `main` prints the message alone, without a stack, and exits 1. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
