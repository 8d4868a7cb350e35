import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/app-config.js';
import { Problem } from '../../http/problem.js';
import { Cookies } from '../../security/cookies.js';
import { CsrfTokens } from '../../security/csrf-tokens.js';
import { type SessionRecord, cookieSeconds } from '../../sessions/session-record.js';
import { SessionsService } from '../../sessions/sessions.service.js';
import { sameRoles } from '../../users/role-names.js';
import {
  type Issuance,
  type CredentialBody,
  CredentialRejected,
  type Refreshed,
  type RefreshableStrategy,
} from '../auth-strategy.js';
import type { HttpExchange } from '../http-exchange.js';
import { liveOrRejected } from '../live-session.js';
import { AccessTokenVerifier } from './access-token-verifier.js';
import { AccessTokens, SKEW_SECONDS } from './access-token.js';
import type { RefreshToken } from './refresh-token.js';
import { RefreshTokens } from './refresh-tokens.js';

type Transport = 'cookie' | 'body';

/**
 * Bearer tokens: a short access token (RFC 9068, verified by passport-jwt) and a rotating refresh token. The token names its
 * session, and the session is asked on every request: a logout works at once here too.
 */
@Injectable()
export class JwtStrategy implements RefreshableStrategy {
  readonly name = 'jwt';
  readonly ambient = false;

  constructor(
    private readonly config: AppConfig,
    private readonly sessions: SessionsService,
    private readonly accessTokens: AccessTokens,
    private readonly verifier: AccessTokenVerifier,
    private readonly refreshTokens: RefreshTokens,
    private readonly cookies: Cookies,
    private readonly csrf: CsrfTokens,
  ) {}

  credentialIn(exchange: HttpExchange): string | null {
    const token = exchange.bearerToken;
    // Bearer tokens of other strategies are opaque; every JWT has a dot.
    return token?.includes('.') ? token : null;
  }

  async authenticate(exchange: HttpExchange): Promise<SessionRecord> {
    const claims = await this.verifier.verify(this.credentialIn(exchange) ?? '');
    if (!claims) throw new CredentialRejected('credential_invalid');
    const { sid, sub, exp, roles } = claims;
    const session = liveOrRejected(await this.sessions.findByCredential(this.name, sid));
    if (session.user.id !== sub) throw new CredentialRejected('credential_invalid');
    const expired = session.readAt.getTime() / 1000 >= exp + SKEW_SECONDS;
    // A token from before a change of roles: the client is to refresh and see the new ones.
    if (expired || !sameRoles(roles, session.user.roles)) throw new CredentialRejected('credential_expired');
    return { ...session, credentialExpiresAt: new Date((exp + SKEW_SECONDS) * 1000) };
  }

  async issue(
    session: SessionRecord,
    exchange: HttpExchange,
    { on, addition }: Issuance = {},
  ): Promise<CredentialBody> {
    const refreshToken = addition
      ? await this.refreshTokens.obtain(session, this.name)
      : await this.refreshTokens.issue(session, this.name, on);
    // A password change replaces the cookie that came along, whoever sent it.
    const holdsCookie = this.ownRefreshCookies(exchange).some(({ sessionId }) => sessionId === session.id);
    const transport = holdsCookie || addition?.cookiesOnly ? 'cookie' : this.transportAtSignIn(exchange);
    return this.handOut(session, refreshToken, transport, exchange);
  }

  discard(exchange: HttpExchange): void {
    if (exchange.cookies(this.cookies.name('rt')).length === 0) return;
    exchange.expireCookie(this.cookies.expired('rt'));
    exchange.expireCookie(this.cookies.expiredCsrf());
  }

  refreshCredentialIn(exchange: HttpExchange): { token: string; ambient: boolean } | null {
    const shown = exchange.bodyField('refreshToken');
    const cookie = this.refreshCookie(exchange);
    if (shown === null) return cookie === null ? null : { token: cookie, ambient: true };
    // A cookie that is none of ours is no credential that a foreign page could abuse.
    return { token: shown, ambient: cookie !== null && this.refreshTokens.read(cookie) !== null };
  }

  async authenticateRefresh(exchange: HttpExchange): Promise<SessionRecord> {
    return this.refreshTokens.authenticate(this.refreshCredentialIn(exchange)?.token ?? '', this.name);
  }

  async proveRefresh(exchange: HttpExchange): Promise<SessionRecord> {
    return this.refreshTokens.prove(this.refreshCredentialIn(exchange)?.token ?? '', this.name, exchange);
  }

  async refresh(exchange: HttpExchange): Promise<Refreshed> {
    const presented = this.refreshCredentialIn(exchange)?.token ?? '';
    const { session, token } = await this.refreshTokens.spend(presented, this.name, exchange);
    const transport = this.transportAtRefresh(exchange);
    return { session, body: this.handOut(session, token, transport, exchange) };
  }

  checkTransport(exchange: HttpExchange): void {
    if (exchange.bodyField('refreshTransport') === 'body' && !this.bodyAllowed(exchange)) {
      throw new Problem('validation_failed', {
        errors: [
          {
            path: 'refreshTransport',
            message: 'a browser gets the refresh token as a cookie; ask for "cookie"',
          },
        ],
      });
    }
  }

  /**
   * The refresh cookie, or null. Of two, the one that is ours, and of two of one session the newer: a sibling site may have planted
   * the other, or a browser kept one of another path. @throws Problem `credential_conflict` for two of different sessions
   */
  private refreshCookie(exchange: HttpExchange): string | null {
    const values = exchange.cookies(this.cookies.name('rt'));
    if (values.length < 2) return values[0] ?? null;
    const ours = this.ownRefreshCookies(exchange).sort((a, b) => b.counter - a.counter);
    if (new Set(ours.map(({ sessionId }) => sessionId)).size > 1) {
      throw new Problem('credential_conflict', {
        detail: `Two valid ${this.cookies.name('rt')} cookies came with this request.`,
      });
    }
    return ours[0]?.value ?? values[0] ?? null;
  }

  private ownRefreshCookies(exchange: HttpExchange): (RefreshToken & { value: string })[] {
    return exchange.cookies(this.cookies.name('rt')).flatMap((value) => {
      const token = this.refreshTokens.read(value);
      return token ? [{ ...token, value }] : [];
    });
  }

  /** No script of a page ever holds a refresh token, unless the operator has listed the app's origin as no ordinary page. */
  private bodyAllowed(exchange: HttpExchange): boolean {
    return (
      !exchange.isBrowser || this.config.jwt.refreshBodyOrigins.includes(exchange.origin?.toLowerCase() ?? '')
    );
  }

  /** A browser gets the cookie unless it may ask for the other and did; anybody else the body unless it asks for the cookie. */
  private transportAtSignIn(exchange: HttpExchange): Transport {
    const asked = exchange.bodyField('refreshTransport');
    const body = exchange.isBrowser ? asked === 'body' && this.bodyAllowed(exchange) : asked !== 'cookie';
    return body ? 'body' : 'cookie';
  }

  /** The way that the token came, unless the cookie is asked for, or the other way is none for this client. */
  private transportAtRefresh(exchange: HttpExchange): Transport {
    const cameInBody = exchange.bodyField('refreshToken') !== null;
    const asksForCookie = exchange.bodyField('refreshTransport') === 'cookie';
    return cameInBody && !asksForCookie && this.bodyAllowed(exchange) ? 'body' : 'cookie';
  }

  private handOut(
    session: SessionRecord,
    refreshToken: string,
    transport: Transport,
    exchange: HttpExchange,
  ): CredentialBody {
    const { token, expiresIn } = this.accessTokens.issue(session);
    const body = { accessToken: token, tokenType: 'Bearer', expiresIn } as const;
    if (transport === 'body') return { ...body, refreshToken };
    const csrfToken = this.csrf.issue(session.id);
    exchange.setCookie(this.cookies.refresh(refreshToken, cookieSeconds(session)));
    exchange.setCookie(this.cookies.csrf(csrfToken, cookieSeconds(session)));
    return { ...body, csrfToken };
  }
}
