import { Problem, type ProblemCode } from '../http/problem.js';

/** The password hash that was verified is no longer the user's: the password was changed, or another login has rehashed it. */
export class HashReplaced extends Error {}

/**
 * Proves and acts, and once more when the hash was replaced in between: a right password is not to be refused because another
 * login has moved its hash to today's parameters. @throws Problem with that code when it happens twice
 */
export async function provingAgain<T>(code: ProblemCode, proveAndAct: () => Promise<T>): Promise<T> {
  for (let tries = 0; tries < 2; tries++) {
    try {
      return await proveAndAct();
    } catch (error) {
      if (!(error instanceof HashReplaced)) throw error;
    }
  }
  throw new Problem(code);
}
