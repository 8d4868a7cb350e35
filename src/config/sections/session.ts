import { duration } from '../duration.js';
import { choice, integer } from '../scalars.js';
import { variable } from '../variable.js';

/** Lifetimes of sessions, which hold in every mode, and the cookies. */
export const sessionSection = {
  SESSION_IDLE_TTL: variable('a session ends after this long without a request', '30m', duration),
  SESSION_ABSOLUTE_TTL: variable('a session ends this long after sign-in, whatever happens', '8h', duration),
  SESSION_REMEMBER_IDLE_TTL: variable('SESSION_IDLE_TTL of sign-ins with remember: true', '7d', duration),
  SESSION_REMEMBER_ABSOLUTE_TTL: variable(
    'SESSION_ABSOLUTE_TTL of sign-ins with remember: true',
    '30d',
    duration,
  ),
  SESSION_MAX_PER_USER: variable(
    'live sessions of one user; the least recently seen ends when one more starts',
    '10',
    integer(1, 10_000),
  ),
  COOKIE_SAMESITE: variable(
    'strict, lax or none (none on https only); cookies are host-only, there is no cookie domain',
    'lax',
    choice('strict', 'lax', 'none'),
  ),
  CSRF_TOKEN: variable(
    'auto, or always: unsafe requests with a cookie need X-CSRF-Token whatever their origin',
    'auto',
    choice('auto', 'always'),
  ),
};
