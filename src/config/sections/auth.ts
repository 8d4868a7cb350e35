import { choice, listOf, shown } from '../scalars.js';
import { secretList } from '../secret.js';
import { optional, variable, type Parser } from '../variable.js';

/** The allowed values of AUTH_MODE in words. */
export const authModeAllowed = (strategyNames: readonly string[]): string =>
  `allowed: ${strategyNames.join(', ')}, or several of them with commas, of which the first issues`;

/** Names of strategies with commas, in exactly their spelling, each once. */
const authMode =
  (strategyNames: readonly string[]): Parser<readonly [string, ...string[]]> =>
  (text, report) => {
    const allowed = authModeAllowed(strategyNames);
    const strategyName: Parser<string> = (name, reportName) => {
      if (!strategyNames.includes(name)) reportName(`${shown(name)} is not a strategy; ${allowed}`);
      return name;
    };
    const [first, ...others] = listOf(strategyName)(text, report) ?? [];
    if (first === undefined) return undefined;
    if (new Set([first, ...others]).size <= others.length) report(`names a strategy twice; ${allowed}`);
    return [first, ...others];
  };

/** Who may sign in, by what, and the secret behind it. */
export const authSection = (strategyNames: readonly string[]) => ({
  AUTH_MODE: optional(
    'strategies with commas, the first issues: session; jwt; session,jwt; jwt,session; required in production',
    'session',
    authMode(strategyNames),
  ),
  APP_SECRET: optional(
    'base64, base64url or hex of at least 32 random bytes (openssl rand -base64 32), a comma list while rotating; required in production',
    'generated once into <DATA_DIR>/app-secret',
    secretList,
  ),
  SIGNUP: variable(
    'open, or closed: POST /auth/signup answers 403 signup_closed, accounts are made by "user create" on the command line',
    'open',
    choice('open', 'closed'),
  ),
});
