/** The password hash that was verified is no longer the user's: the password was changed, or another login has rehashed it. */
export class HashReplaced extends Error {}

/**
 * Proves and acts, and once more when the hash was replaced in between: a right password is not to be refused because another
 * login has moved its hash to today's parameters. @throws HashReplaced when it happens twice
 */
export async function provingAgain<T>(proveAndAct: () => Promise<T>): Promise<T> {
  try {
    return await proveAndAct();
  } catch (error) {
    if (error instanceof HashReplaced) return proveAndAct();
    throw error;
  }
}
