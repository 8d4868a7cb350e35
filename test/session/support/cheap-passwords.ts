import { PasswordHasher } from '../../../src/passwords/password-hasher.js';
import { PasswordPolicy } from '../../../src/passwords/password-policy.js';
import type { TestApp } from '../../support/test-app.js';

/**
 * Passwords that cost next to nothing, where thousands of sign-ins are about something else: a hash costs 30 ms of a core, and to
 * judge a new password 20 ms. A stored hash that begins with `weak` is one of parameters that have risen since.
 */
export function cheapenPasswords(app: TestApp, pause: () => Promise<void> = async () => {}): void {
  const hasher = app.get(PasswordHasher);
  hasher.hash = async (password) => (await pause(), `cheap ${password}`);
  hasher.verify = async (stored, password) => (
    await pause(),
    stored === `cheap ${password}` || stored === `weak ${password}`
  );
  hasher.needsRehash = (stored) => stored.startsWith('weak');
  app.get(PasswordPolicy).problems = async () => (await pause(), []);
}
