import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import type { SessionId } from '../principal/principal.js';

const MAC_BYTES = 32;
/** What {@link CsrfTokens.issue} makes. Node's decoder would skip whatever else stands between. */
const TOKEN = /^[\w-]{86}$/;

/**
 * The CSRF token: an HMAC over the session id, so that it needs no storage, is bound to one session and dies with it
 * (OWASP: HMAC-based token pattern); masked anew each time it is handed out, so that compression cannot leak it (BREACH).
 * Our own lines because the kept libraries are Express middleware that bring a cookie of their own (docs/adr/0007).
 */
@Injectable()
export class CsrfTokens {
  private readonly keys: readonly Buffer[];

  constructor(config: AppConfig) {
    this.keys = config.secrets.map((secret) => secret.derive('csrf'));
  }

  /** A token for that session: base64url of a random mask and the masked MAC. */
  issue(sessionId: SessionId): string {
    const mask = randomBytes(MAC_BYTES);
    const [key] = this.keys;
    if (!key) throw new Error('there is no secret to sign with');
    return Buffer.concat([mask, xor(mask, mac(key, sessionId))]).toString('base64url');
  }

  /** Whether the token was made for that session, under any accepted secret. */
  verify(token: string, sessionId: SessionId): boolean {
    if (!TOKEN.test(token)) return false;
    const bytes = Buffer.from(token, 'base64url');
    const unmasked = xor(bytes.subarray(0, MAC_BYTES), bytes.subarray(MAC_BYTES));
    return this.keys.some((key) => timingSafeEqual(unmasked, mac(key, sessionId)));
  }
}

function mac(key: Buffer, sessionId: SessionId): Buffer {
  return createHmac('sha256', key).update(sessionId).digest();
}

function xor(a: Buffer, b: Buffer): Buffer {
  const result = Buffer.allocUnsafe(a.length);
  for (let i = 0; i < a.length; i++) result[i] = (a[i] ?? 0) ^ (b[i] ?? 0);
  return result;
}
