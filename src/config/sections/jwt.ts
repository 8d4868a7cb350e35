import { duration } from '../duration.js';
import { originList } from '../origin.js';
import { choice, tokenName } from '../scalars.js';
import { optional, variable } from '../variable.js';

/** Access and refresh tokens, and the keys that sign them. */
export const jwtSection = {
  JWT_ALGORITHM: variable('ES256, RS256 or PS256', 'ES256', choice('ES256', 'RS256', 'PS256')),
  JWT_ACCESS_TTL: variable(
    'lifetime of an access token; under SESSION_IDLE_TTL where jwt is enabled',
    '10m',
    duration,
  ),
  JWT_REFRESH_GRACE: variable(
    'a refresh token that was just used still gets its successor; at most 60s and under JWT_ACCESS_TTL',
    '30s',
    duration,
  ),
  JWT_REFRESH_BODY_ORIGINS: optional(
    'origins of apps (Capacitor, Electron) that may hold the refresh token themselves, with commas',
    'none',
    originList,
  ),
  JWT_ISSUER: optional('iss of tokens', 'PUBLIC_ORIGIN', tokenName),
  JWT_AUDIENCE: optional('aud of access tokens', 'PUBLIC_ORIGIN', tokenName),
  JWT_KEY_ROTATION: variable('how often a new signing key takes over', '90d', duration),
  FORWARD_AUTH_AUDIENCE: optional(
    'aud of the tokens that forward-auth hands to services',
    '<JWT_AUDIENCE>/internal',
    tokenName,
  ),
};
