import { createHmac, timingSafeEqual } from 'node:crypto';
import { parse as parseUuid, stringify as stringifyUuid } from 'uuid';
import type { AppSecret } from '../../config/app-config.js';
import type { SessionId } from '../../principal/principal.js';

const PREFIX = 'lkr_';
const MAC_BYTES = 16;
const COUNTER_BYTES = 6;
const BODY_BYTES = 16 + COUNTER_BYTES;
const LENGTH = PREFIX.length + Math.ceil(((BODY_BYTES + 2 * MAC_BYTES) * 4) / 3);

/** A refresh token whose outer MAC holds: one of ours, though perhaps not for a row that is still there. */
export interface RefreshToken {
  readonly sessionId: SessionId;
  /** Which rotation it is of. */
  readonly counter: number;
  /** The secret that signed it. */
  readonly secret: AppSecret;
  readonly inner: Buffer;
}

/**
 * Makes the refresh token of a session's rotation: `lkr_` and base64url of session id, counter, MAC1 and MAC2.
 * MAC1 is keyed by the application secret alone, so that a forged token is refused without a query; MAC2 by the secret and the
 * row's random seed, so that the secret alone forges nothing. Both are deterministic: every node derives the same token.
 */
export function makeRefreshToken(
  secret: AppSecret,
  seed: Buffer,
  sessionId: SessionId,
  counter: number,
): string {
  const body = Buffer.alloc(BODY_BYTES);
  body.set(parseUuid(sessionId));
  body.writeUIntBE(counter, 16, COUNTER_BYTES);
  return (
    PREFIX + Buffer.concat([body, outerMac(secret, body), innerMac(secret, seed, body)]).toString('base64url')
  );
}

/** Reads a token. @returns null unless MAC1 holds under one of the secrets. Costs no I/O. */
export function readRefreshToken(secrets: readonly AppSecret[], token: string): RefreshToken | null {
  if (token.length !== LENGTH || !token.startsWith(PREFIX)) return null;
  const bytes = Buffer.from(token.slice(PREFIX.length), 'base64url');
  // A string that decodes to the same bytes but is not the one that we made is not ours (base64url leaves spare bits).
  if (bytes.toString('base64url') !== token.slice(PREFIX.length)) return null;
  const body = bytes.subarray(0, BODY_BYTES);
  const outer = bytes.subarray(BODY_BYTES, BODY_BYTES + MAC_BYTES);
  const secret = secrets.find((candidate) => timingSafeEqual(outerMac(candidate, body), outer));
  if (!secret) return null;
  return {
    sessionId: stringifyUuid(body.subarray(0, 16)) as SessionId,
    counter: body.readUIntBE(16, COUNTER_BYTES),
    secret,
    inner: bytes.subarray(BODY_BYTES + MAC_BYTES),
  };
}

/** Whether MAC2 holds for the row's seed: only then may the token change anything. */
export function isMadeFor({ secret, sessionId, counter, inner }: RefreshToken, seed: Buffer): boolean {
  const body = Buffer.alloc(BODY_BYTES);
  body.set(parseUuid(sessionId));
  body.writeUIntBE(counter, 16, COUNTER_BYTES);
  return timingSafeEqual(innerMac(secret, seed, body), inner);
}

function outerMac(secret: AppSecret, body: Buffer): Buffer {
  return createHmac('sha256', secret.derive('refresh-token')).update(body).digest().subarray(0, MAC_BYTES);
}

function innerMac(secret: AppSecret, seed: Buffer, body: Buffer): Buffer {
  const key = secret.derive('refresh-token-row', 32, seed);
  return createHmac('sha256', key).update(body).digest().subarray(0, MAC_BYTES);
}
