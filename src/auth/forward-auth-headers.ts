import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { AppConfig } from '../config/app-config.js';
import { KeyRing } from '../keys/key-ring.js';
import type { Authentication, SessionView } from '../principal/authentication.js';

/** `typ` of the tokens for services behind a gateway (RFC 8725 section 3.11): no access token, and never taken for one. */
const TYPE = 'lk-fwd+jwt';
/** How long a token is good for: it is shown once, by the gateway, and at once. */
const LIFETIME_SECONDS = 60;
/** How long one is handed out again: at least this much of its life is left whenever it goes out. */
const REUSE_MILLISECONDS = 30_000;
/** What a header of comma-separated names can carry. The token has all roles, whatever they are called. */
const ROLE_IN_HEADER = /^[\x21-\x2b\x2d-\x7e]+$/;

interface Issued {
  readonly headers: Readonly<Record<string, string>>;
  /** `performance.now()` */
  readonly reuseUntil: number;
}

/** What a gateway is told about a caller (contract section 7): headers, one of which is a token for the services behind it. */
@Injectable()
export class ForwardAuthHeaders {
  /**
   * By the reading of the session that one credential led to, which is remembered with the credential and dropped as soon as
   * anything about it changes, or a key is withdrawn (PrincipalCache): so a token never says what is no longer true when it goes out.
   */
  private readonly issued = new WeakMap<SessionView, Issued>();

  constructor(
    private readonly jwt: JwtService,
    private readonly keys: KeyRing,
    private readonly config: AppConfig,
  ) {}

  /** Costs a signature once per credential and 30 s. @throws Problem `unavailable` while no signing key is known */
  of(authentication: Authentication): Readonly<Record<string, string>> {
    const now = performance.now();
    const known = this.issued.get(authentication.session);
    if (known && now < known.reuseUntil) return known.headers;
    const { principal, session } = authentication;
    const databaseTime = session.readAt.getTime() + now - session.readAtMonotonic;
    const headers = Object.freeze({
      'x-auth-user-id': principal.userId,
      'x-auth-session-id': principal.sessionId,
      'x-auth-roles': principal.roles.filter((role) => ROLE_IN_HEADER.test(role)).join(','),
      'x-auth-strategy': principal.strategy,
      'x-auth-token': this.sign(authentication, databaseTime),
    });
    // `iat` is a whole second, up to one ago.
    const reuseUntil = now + REUSE_MILLISECONDS - (databaseTime % 1000);
    this.issued.set(session, { headers, reuseUntil });
    return headers;
  }

  private sign({ principal, session }: Authentication, databaseTime: number): string {
    const key = this.keys.signingKey();
    const { issuer, forwardAuthAudience } = this.config.jwt;
    const iat = Math.floor(databaseTime / 1000);
    // This very request is activity: the idle time begins anew.
    const idleEnd = databaseTime + session.idleExpiresAt.getTime() - session.lastSeenAt.getTime();
    const end = Math.floor(Math.min(session.expiresAt.getTime(), idleEnd) / 1000);
    const claims = {
      iss: issuer,
      aud: forwardAuthAudience,
      sub: principal.userId,
      sid: principal.sessionId,
      jti: randomUUID(),
      iat,
      exp: Math.min(iat + LIFETIME_SECONDS, end),
      roles: principal.roles,
    };
    return this.jwt.sign(claims, {
      privateKey: key.privateKey,
      algorithm: key.algorithm,
      keyid: key.id,
      header: { alg: key.algorithm, typ: TYPE },
    });
  }
}
