import { rate } from '../duration.js';
import { choice, integer } from '../scalars.js';
import { optional, variable } from '../variable.js';

/** Passwords and what keeps guessing slow. */
export const passwordSection = {
  PASSWORD_MIN_LENGTH: variable('shortest new password in characters, 8 to 64', '15', integer(8, 64)),
  PASSWORD_HASH_CONCURRENCY: optional(
    'password hashes computed at the same time',
    'max(1, available CPUs - 1)',
    integer(1, 1024),
  ),
  PASSWORD_HASH_QUEUE: variable(
    'hashes that may wait; more than that is 503 overloaded',
    '64',
    integer(0, 100_000),
  ),
  PASSWORD_HASH_NICE: optional(
    'how far the threads that hash stand back behind the one that answers, 0 to 19 as nice(2) counts (Linux)',
    '19 in production, 0 otherwise',
    integer(0, 19),
  ),
  THROTTLE: variable(
    'on, or off for tests and benchmarks (refused in production)',
    'on',
    choice('on', 'off'),
  ),
  THROTTLE_LOGIN_FAILURES_PER_ACCOUNT: variable(
    'failed logins of one account from unknown addresses, count/window',
    '5/5m',
    rate,
  ),
  THROTTLE_LOGIN_FAILURES_PER_IP: variable('failed logins from one address, count/window', '10/1m', rate),
  THROTTLE_LOGINS_PER_IP: variable('logins from one address, count/window', '30/1m', rate),
  THROTTLE_SIGNUPS_PER_IP: variable('signups from one address, count/window', '20/1m', rate),
  THROTTLE_REFUSED_REFRESHES_PER_IP: variable(
    'refused refreshes from one address, count/window',
    '150/5m',
    rate,
  ),
};
