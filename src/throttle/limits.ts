import type { Rate, ThrottleSettings } from '../config/settings.js';

const MINUTE = 60;
const DAY = 24 * 60 * MINUTE;

/** A limit of contract section 8: so many within a window that begins with the first of them. */
export interface Limit extends Rate {
  /** What clients, operators and metrics call it. */
  readonly name: string;
}

/** The limits of this process, by what they count. An address is an IPv4 address or an IPv6 /64. */
export interface Limits {
  /** Sign-ins from one address, good and bad. */
  readonly loginsPerAddress: Limit;
  readonly loginFailuresPerAddress: Limit;
  /** Of one account from all addresses together that it has not signed in from lately. */
  readonly loginFailuresPerAccount: Limit;
  /** The same over a day: what keeps a slow guesser with many addresses away (NIST SP 800-63B-4, 3.2.2). */
  readonly loginFailuresPerAccountAndDay: Limit;
  /** Of one account from one address that it has signed in from lately. */
  readonly loginFailuresFromKnownAddress: Limit;
  readonly signupsPerAddress: Limit;
  readonly refusedRefreshesPerAddress: Limit;
  readonly wrongPasswordsPerSession: Limit;
}

/** The limits by the settings. Two of them are not settings: nobody needs more, and less locks people out. */
export function limitsOf(settings: ThrottleSettings): Limits {
  return {
    loginsPerAddress: { name: 'logins-per-address', ...settings.loginsPerIp },
    loginFailuresPerAddress: { name: 'login-failures-per-address', ...settings.loginFailuresPerIp },
    loginFailuresPerAccount: { name: 'login-failures-per-account', ...settings.loginFailuresPerAccount },
    loginFailuresPerAccountAndDay: {
      name: 'login-failures-per-account-and-day',
      points: 100,
      windowSeconds: DAY,
    },
    loginFailuresFromKnownAddress: {
      name: 'login-failures-from-known-address',
      ...settings.loginFailuresPerAccount,
    },
    signupsPerAddress: { name: 'signups-per-address', ...settings.signupsPerIp },
    refusedRefreshesPerAddress: { name: 'refused-refreshes-per-address', ...settings.refusedRefreshesPerIp },
    wrongPasswordsPerSession: { name: 'wrong-passwords-per-session', points: 5, windowSeconds: 15 * MINUTE },
  };
}
