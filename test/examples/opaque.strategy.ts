import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { AuthStrategy, CredentialBody, Issuance } from '../../src/auth/auth-strategy.js';
import { CredentialRejected } from '../../src/auth/auth-strategy.js';
import type { HttpExchange } from '../../src/auth/http-exchange.js';
import { liveOrRejected } from '../../src/auth/live-session.js';
import { CredentialStore } from '../../src/sessions/credential-store.js';
import type { SessionRecord } from '../../src/sessions/session-record.js';
import { SessionsService } from '../../src/sessions/sessions.service.js';

/** Tells our tokens from those of other strategies, and secret scanners what they have found. */
const PREFIX = 'opq_';
/** 256 bits: nobody guesses one, so a plain SHA-256 protects them at rest. */
const TOKEN_BYTES = 32;
/** Of a token's hash, at its end: what was mistyped, cut off or made up is refused without a query. */
const CHECKSUM_LENGTH = 8;

/** Bearer tokens that say nothing: random, looked up by their hash, good for as long as their session. */
@Injectable()
export class OpaqueStrategy implements AuthStrategy {
  readonly name = 'opaque';
  /** A browser never sends an Authorization header unasked, so CSRF does not apply. */
  readonly ambient = false;

  constructor(
    private readonly sessions: SessionsService,
    private readonly credentials: CredentialStore,
  ) {}

  credentialIn(exchange: HttpExchange): string | null {
    const token = exchange.bearerToken;
    return token?.startsWith(PREFIX) ? token : null;
  }

  async authenticate(exchange: HttpExchange): Promise<SessionRecord> {
    const token = this.credentialIn(exchange) ?? '';
    const secret = token.slice(PREFIX.length, -CHECKSUM_LENGTH);
    if (token !== tokenOf(secret)) throw new CredentialRejected('credential_invalid');
    return liveOrRejected(await this.sessions.findBySecret(this.name, sha256(token)));
  }

  async issue(session: SessionRecord, _: HttpExchange, issuance: Issuance = {}): Promise<CredentialBody> {
    const secret = await (issuance.addition ? this.obtain(session) : this.draw(session, issuance));
    // The session ended while we were at it.
    if (secret === null) throw new CredentialRejected('credential_invalid');
    const expiresIn = Math.floor((session.expiresAt.getTime() - session.readAt.getTime()) / 1000);
    return { accessToken: tokenOf(secret), tokenType: 'Bearer', expiresIn };
  }

  /** At a sign-in: random, and never twice the same. */
  private async draw({ id: sessionId }: SessionRecord, { on }: Issuance): Promise<string | null> {
    const secret = randomBytes(TOKEN_BYTES).toString('base64url');
    const secretHash = sha256(tokenOf(secret));
    const kept = await this.credentials.put({ sessionId, strategy: this.name, secretHash, on });
    return kept && secret;
  }

  /** At an exchange: derived, so that requests that race are told the same. */
  private obtain({ id: sessionId }: SessionRecord): Promise<string | null> {
    const hashOf = (secret: string): Buffer => sha256(tokenOf(secret));
    return this.credentials.obtainSecret({ sessionId, strategy: this.name, hashOf });
  }

  /** The client holds the token itself: there is nothing to take back but the session, which the caller ends. */
  discard(): void {
    return;
  }
}

function tokenOf(secret: string): string {
  const checksum = sha256(PREFIX + secret).toString('base64url');
  return PREFIX + secret + checksum.slice(0, CHECKSUM_LENGTH);
}

function sha256(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
