import { Problem } from '../http/problem.js';
import { CredentialRejected } from './auth-strategy.js';

/** Runs strategy code outside of the guard, where nobody else turns its refusals into a 401. */
export async function rejectionsAsProblems<T>(
  work: () => Promise<T>,
  onRejection?: () => Promise<void>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CredentialRejected)) throw error;
    await onRejection?.();
    throw new Problem(error.code, error.detail ? { detail: error.detail } : {});
  }
}
