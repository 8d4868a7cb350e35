import { Authenticator } from 'passport';

/** What a Passport strategy made of a request. */
export type PassportOutcome<T> = { readonly user: T } | { readonly user: null; readonly info: unknown };

/**
 * A Passport instance for one strategy alone. The module-level instance of the package is never used: strategies of two
 * applications in one process would replace each other there.
 */
export class PrivatePassport extends Authenticator {}

/**
 * Lets a Passport strategy judge a request as Passport's middleware does it: by an object of its own for each request, which
 * inherits from the strategy and hears its verdict. Rejects when the strategy could not tell (an outage).
 */
export async function judge<T>(
  strategy: { readonly authenticate: (...parameters: never[]) => void },
  request: object,
): Promise<PassportOutcome<T>> {
  return new Promise((resolve, reject) => {
    const attempt = {
      __proto__: strategy,
      success: (user: T) => resolve({ user }),
      fail: (info: unknown) => resolve({ user: null, info }),
      error: reject,
    };
    Reflect.apply(strategy.authenticate, attempt, [request, {}]);
  });
}
