import { durationText } from './duration.js';
import { jwtAudience, publicOriginOf } from './derived-defaults.js';
import { rule, type Rule } from './rule.js';
import type { Values, VariableName } from './schema.js';

type DurationName = {
  [Name in VariableName]: Values[Name] extends number ? Name : never;
}[VariableName];

const notLonger = (name: DurationName, limit: DurationName): Rule =>
  rule([name, limit], (values) =>
    values[name] > values[limit]
      ? `${durationText(values[name])} is longer than ${limit}; allowed: at most ${durationText(values[limit])}`
      : null,
  );

const shorter = (name: DurationName, limit: DurationName): Rule =>
  rule([name, limit], (values) =>
    values[name] >= values[limit]
      ? `${durationText(values[name])} is not shorter than ${limit}; allowed: less than ${durationText(values[limit])}`
      : null,
  );

const accessUnderIdle = shorter('JWT_ACCESS_TTL', 'SESSION_IDLE_TTL');

/** What must hold in every environment. */
export const RULES: readonly Rule[] = [
  notLonger('SESSION_IDLE_TTL', 'SESSION_ABSOLUTE_TTL'),
  notLonger('SESSION_REMEMBER_IDLE_TTL', 'SESSION_REMEMBER_ABSOLUTE_TTL'),
  {
    // A client that only refreshes when it must would lose its session between two refreshes.
    reads: [...accessUnderIdle.reads, 'AUTH_MODE'],
    problems: (values) =>
      values.AUTH_MODE?.includes('jwt') === true ? accessUnderIdle.problems(values) : [],
  },
  shorter('JWT_REFRESH_GRACE', 'JWT_ACCESS_TTL'),
  rule(['JWT_REFRESH_GRACE'], ({ JWT_REFRESH_GRACE }) =>
    JWT_REFRESH_GRACE > 60 ? `${durationText(JWT_REFRESH_GRACE)} is too long; allowed: at most 60s` : null,
  ),
  rule(['COOKIE_SAMESITE', 'PUBLIC_ORIGIN', 'PORT'], (values) =>
    values.COOKIE_SAMESITE === 'none' && !publicOriginOf(values).startsWith('https://')
      ? 'none needs an https PUBLIC_ORIGIN, because browsers drop such a cookie on http; allowed: lax, strict'
      : null,
  ),
  rule(['DATABASE_DIRECT_URL', 'DATABASE_URL'], (values) =>
    values.DATABASE_DIRECT_URL !== undefined && values.DATABASE_URL === undefined
      ? 'is set without DATABASE_URL; allowed: both, or DATABASE_URL alone'
      : null,
  ),
  rule(['FORWARD_AUTH_AUDIENCE', 'JWT_AUDIENCE', 'PUBLIC_ORIGIN', 'PORT'], (values) =>
    values.FORWARD_AUTH_AUDIENCE === jwtAudience(values)
      ? 'is the audience of access tokens, so one could pass for the other; allowed: any other value'
      : null,
  ),
  rule(['PORT', 'NODE_ENV'], ({ PORT, NODE_ENV }) =>
    PORT === 0 && NODE_ENV === 'production'
      ? '0 (any free port) is for tests; allowed in production: 1 to 65535'
      : null,
  ),
];
