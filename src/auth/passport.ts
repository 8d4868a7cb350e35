import { Authenticator } from 'passport';

/** What a Passport strategy made of a request. */
export type PassportOutcome<T> = { readonly user: T } | { readonly user: null; readonly info: unknown };

/**
 * A Passport instance for one strategy alone. The module-level instance of the package is never used: strategies of two
 * applications in one process would replace each other there.
 */
export class PrivatePassport extends Authenticator {
  /** Lets the strategy of that name judge a request. Rejects when it could not (an outage), resolves whatever it decided. */
  async judge<T>(name: string, request: object): Promise<PassportOutcome<T>> {
    return new Promise((resolve, reject) => {
      const decided = (error: unknown, user?: T | false | null, info?: unknown): void => {
        if (error) reject(error);
        else resolve(user ? { user } : { user: null, info });
      };
      const middleware: unknown = this.authenticate(name, { session: false }, decided);
      if (!isMiddleware(middleware)) throw new TypeError('Passport gave no middleware');
      middleware(request, {}, reject);
    });
  }
}

function isMiddleware(
  value: unknown,
): value is (request: object, response: object, next: (error: unknown) => void) => void {
  return typeof value === 'function';
}
