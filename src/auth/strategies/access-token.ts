import { randomInt, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { AppConfig } from '../../config/app-config.js';
import { KeyRing } from '../../keys/key-ring.js';
import type { SigningKeyPair } from '../../keys/signing-key-store.js';
import type { SessionId, UserId } from '../../principal/principal.js';
import type { SessionRecord } from '../../sessions/session-record.js';

/** `typ` of an access token (RFC 9068 section 2.1). */
const TYPE = 'at+jwt';
/** `client_id` (RFC 9068 requires one): Latchkey has no client registration, every client is the first party's. */
const CLIENT_ID = 'latchkey';
/** The clocks of verifier and issuer are the database's; this is for services that verify by their own. */
export const SKEW_SECONDS = 5;

/**
 * The only header that we accept. jsonwebtoken would let unknown `crit`, any `typ`, and keys that the token itself names pass
 * (RFC 8725 sections 3.1, 3.8, 3.10, 3.11).
 */
const Header = z.strictObject({
  alg: z.enum(['ES256', 'RS256', 'PS256']),
  typ: z.literal(TYPE),
  kid: z.string().max(64),
});

/** The only claims that we accept: those that we issue. */
export const AccessTokenClaims = z.strictObject({
  iss: z.string(),
  aud: z.string(),
  sub: z.uuid().transform((id) => id as UserId),
  client_id: z.literal(CLIENT_ID),
  sid: z.uuid().transform((id) => id as SessionId),
  jti: z.uuid(),
  iat: z.number(),
  exp: z.number().positive().max(Number.MAX_SAFE_INTEGER),
  roles: z.array(z.string()),
});
export type AccessTokenClaims = z.infer<typeof AccessTokenClaims>;

type Header = z.infer<typeof Header>;

/** All tokens of a key have the same header, to the letter: few are ever seen. */
const REMEMBERED_HEADERS = 32;

/** Makes access tokens and finds the key that one was signed with. */
@Injectable()
export class AccessTokens {
  private readonly headers = new LRUCache<string, Header>({ max: REMEMBERED_HEADERS });

  constructor(
    private readonly jwt: JwtService,
    private readonly keys: KeyRing,
    private readonly config: AppConfig,
  ) {}

  /**
   * A token for the session: `JWT_ACCESS_TTL` less up to 5 %, so that a fleet does not refresh in step, and never past the
   * session's end. Its times are the database's, as of the reading of the session.
   */
  issue(session: SessionRecord): { token: string; expiresIn: number } {
    const { accessSeconds, issuer, audience } = this.config.jwt;
    const iat = Math.floor(session.readAt.getTime() / 1000);
    const lifetime = accessSeconds - randomInt(0, Math.floor(accessSeconds * 0.05) + 1);
    const exp = Math.min(iat + lifetime, Math.floor(session.expiresAt.getTime() / 1000));
    const key = this.keys.signingKey();
    const claims = {
      iss: issuer,
      aud: audience,
      sub: session.user.id,
      client_id: CLIENT_ID,
      sid: session.id,
      jti: randomUUID(),
      iat,
      exp,
      roles: session.user.roles,
    };
    const token = this.jwt.sign(claims, {
      privateKey: key.privateKey,
      algorithm: key.algorithm,
      keyid: key.id,
      header: { alg: key.algorithm, typ: TYPE },
    });
    return { token, expiresIn: exp - iat };
  }

  /** The public key for a token, judged by its header alone. @returns null for a header or a key that we do not know. */
  async keyFor(token: string): Promise<SigningKeyPair['publicKey'] | null> {
    const header = this.headerOf(token.slice(0, token.indexOf('.')));
    if (!header) return null;
    const key = await this.keys.find(header.kid);
    return key && key.algorithm === header.alg ? key.publicKey : null;
  }

  private headerOf(encoded: string): Header | null {
    const known = this.headers.get(encoded);
    if (known) return known;
    const header = Header.safeParse(decode(encoded)).data ?? null;
    if (header) this.headers.set(encoded, header);
    return header;
  }
}

function decode(encoded: string): unknown {
  try {
    return JSON.parse(Buffer.from(encoded, 'base64url').toString());
  } catch {
    return null;
  }
}
