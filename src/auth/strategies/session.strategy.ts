import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { unsign } from 'cookie-signature';
import session from 'express-session';
import { AppConfig } from '../../config/app-config.js';
import { Problem } from '../../http/problem.js';
import { Cookies } from '../../security/cookies.js';
import { CsrfTokens } from '../../security/csrf-tokens.js';
import { type SessionRecord, cookieSeconds } from '../../sessions/session-record.js';
import {
  type AuthStrategy,
  type CredentialBody,
  CredentialRejected,
  type Issuance,
} from '../auth-strategy.js';
import type { HttpExchange } from '../http-exchange.js';
import { liveOrRejected } from '../live-session.js';
import { CredentialSessionStore } from './credential-session-store.js';

/** 256 bits, twice what OWASP asks for. */
const ID_BYTES = 32;

/** What express-session needs of a request: a detached one, so that nothing of it can leak into the real answer. */
type SessionRequest = IncomingMessage & { secure: boolean; originalUrl: string } & Partial<Express.Request>;

/**
 * The session cookie. express-session makes and verifies it: id, signature, secret rotation, attributes. It runs on a detached
 * request and response, and only where a session is opened or looked up, so it neither touches other requests nor can it write
 * a cookie on an answer that failed (docs/adr/0004).
 */
@Injectable()
export class SessionStrategy implements AuthStrategy {
  readonly name = 'session';
  readonly ambient = true;
  private readonly cookieName: string;
  private readonly secrets: string[];
  /** Never connected. */
  private readonly socket = new Socket();
  private readonly middleware: ReturnType<typeof session>;
  /** The ids that express-session is to give to these requests, instead of new ones. */
  private readonly givenIds = new WeakMap<object, string>();

  constructor(
    private readonly config: AppConfig,
    private readonly store: CredentialSessionStore,
    private readonly cookies: Cookies,
    private readonly csrf: CsrfTokens,
  ) {
    this.cookieName = cookies.name('sid');
    this.secrets = config.secrets.map((secret) => secret.derive('session-cookie').toString('base64url'));
    this.middleware = session({
      name: this.cookieName,
      secret: this.secrets,
      store,
      genid: (request) => this.givenIds.get(request) ?? randomBytes(ID_BYTES).toString('base64url'),
      resave: false,
      saveUninitialized: false,
      unset: 'keep',
      cookie: { ...cookies.attributes(), httpOnly: true },
    });
  }

  credentialIn(exchange: HttpExchange): string | null {
    const values = exchange.cookies(this.cookieName);
    if (values.length < 2) return values[0] ?? null;
    // A sibling site may have planted one: the one that verifies counts, and two that do are nobody's.
    const verified = [...new Set(values)].filter((value) => this.verifies(value));
    if (verified.length > 1) {
      throw new Problem('credential_conflict', {
        detail: `Two valid ${this.cookieName} cookies came with this request.`,
      });
    }
    return verified[0] ?? values[0] ?? null;
  }

  async authenticate(exchange: HttpExchange): Promise<SessionRecord> {
    const value = this.credentialIn(exchange);
    // express-session would also take spellings that we never send, such as a value in quotes.
    if (value === null || !this.verifies(value)) throw new CredentialRejected('credential_invalid');
    const { request } = await this.run(value);
    return liveOrRejected(request.session?.record?.() ?? null);
  }

  async issue(
    record: SessionRecord,
    exchange: HttpExchange,
    { on, addition }: Issuance = {},
  ): Promise<CredentialBody> {
    const id = addition ? await this.store.obtain(record.id) : null;
    const { request, response } = await this.run(null, id);
    const opened = request.session;
    if (!opened) throw new Error('express-session opened no session');
    opened.sessionId = record.id;
    opened.startedIn = () => on;
    if (id === null) {
      await new Promise<void>((resolve, reject) =>
        opened.save((error?: Error) => (error ? reject(error) : resolve())),
      );
    }
    const maxAgeSeconds = cookieSeconds(record);
    exchange.setCookie(cookieFrom(response, maxAgeSeconds));
    const csrfToken = this.csrf.issue(record.id);
    exchange.setCookie(this.cookies.csrf(csrfToken, maxAgeSeconds));
    return { csrfToken };
  }

  discard(exchange: HttpExchange): void {
    if (exchange.cookies(this.cookieName).length === 0) return;
    exchange.expireCookie(this.cookies.expired('sid'));
    exchange.expireCookie(this.cookies.expiredCsrf());
  }

  private verifies(value: string): boolean {
    const decoded = decode(value);
    return (
      decoded.startsWith('s:') && this.secrets.some((secret) => unsign(decoded.slice(2), secret) !== false)
    );
  }

  /**
   * Lets express-session look at one cookie value, or at none and open a session, of that id where one is given. Rejects when the
   * store failed.
   */
  private async run(
    value: string | null,
    givenId: string | null = null,
  ): Promise<{ request: SessionRequest; response: ServerResponse }> {
    const request: SessionRequest = Object.assign(new IncomingMessage(this.socket), {
      secure: this.config.server.isHttps,
      originalUrl: '/',
    });
    if (givenId !== null) this.givenIds.set(request, givenId);
    if (value !== null) request.headers.cookie = `${this.cookieName}=${value}`;
    const response = new ServerResponse(request);
    await new Promise<void>((resolve, reject) =>
      this.middleware(request as never, response as never, (error?: unknown) =>
        error ? reject(error) : resolve(),
      ),
    );
    return { request, response };
  }
}

/** The cookie that express-session made. It knows `Expires` alone; `Max-Age` needs no clock of the client. */
function cookieFrom(response: ServerResponse, maxAgeSeconds: number | null): string {
  response.writeHead(200);
  const [cookie] = [response.getHeader('set-cookie') ?? []].flat();
  if (typeof cookie !== 'string') throw new Error('express-session made no cookie');
  return maxAgeSeconds === null ? cookie : `${cookie}; Max-Age=${maxAgeSeconds}`;
}

/** `decodeURIComponent` that leaves what it cannot decode as it is, as express-session's cookie parser does. */
function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
