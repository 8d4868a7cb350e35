import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Act, actOf } from '../events/act.js';
import { clientAddress } from '../http/client-address.js';
import { expireCookieAlways } from '../http/cookies.js';

const BEARER = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i;
const BEARER_SCHEME = /^bearer(?:\s|$)/i;

/**
 * One request and its answer, as a strategy needs them. Cookies set here reach the client only with a 2xx answer
 * (contract 5, rule 5): the problem filter takes them off every other one.
 */
export class HttpExchange {
  /** By name. */
  private cookiesSet: Map<string, string> | undefined;
  private leaving: AbortController | undefined;

  constructor(
    readonly request: FastifyRequest,
    readonly reply: FastifyReply,
  ) {}

  /** All values of the cookies of that name, raw, in the order sent. */
  cookies(name: string): string[] {
    const header = this.request.headers.cookie;
    if (header === undefined) return [];
    const values: string[] = [];
    const prefix = `${name}=`;
    for (let at = header.indexOf(prefix); at !== -1; at = header.indexOf(prefix, at + 1)) {
      if (!beginsPair(header, at)) continue;
      const end = header.indexOf(';', at);
      values.push(header.slice(at + prefix.length, end === -1 ? undefined : end).trim());
    }
    return values;
  }

  /** Whether an `Authorization` header of the Bearer scheme came, well-formed or not. */
  get hasBearerScheme(): boolean {
    const { authorization } = this.request.headers;
    return authorization !== undefined && BEARER_SCHEME.test(authorization);
  }

  /** The token of `Authorization: Bearer <token>` (RFC 6750 section 2.1), or null when absent or malformed. */
  get bearerToken(): string | null {
    const { authorization } = this.request.headers;
    return (authorization && BEARER.exec(authorization)?.[1]) || null;
  }

  /** The client's address: forwarded headers count only from a trusted proxy. */
  get address(): string {
    return clientAddress(this.request);
  }

  /** Aborts when the client hangs up before it has its answer: costly work that has not begun need not be done any more. */
  get left(): AbortSignal {
    if (!this.leaving) {
      const leaving = (this.leaving = new AbortController());
      // The answer's own event: the request is closed as soon as its body has been read.
      const { raw } = this.reply;
      if (raw.destroyed) leaving.abort();
      else raw.once('close', () => raw.writableFinished || leaving.abort());
    }
    return this.leaving.signal;
  }

  /** Who asks, for the audit. The actor is whom the guard has found; at a sign-in nobody yet. */
  get act(): Act {
    return actOf(this.request);
  }

  /** At most 512 characters of the `User-Agent` header. */
  get userAgent(): string | null {
    return this.request.headers['user-agent']?.slice(0, 512) ?? null;
  }

  /** The `Origin` header as sent; several are joined by a comma and so match nothing. */
  get origin(): string | undefined {
    return this.request.headers.origin;
  }

  /**
   * A request that a browser made (contract section 1): no script of it may hold a refresh token. `Sec-Fetch-Mode: cors` alone
   * is not one: Node's fetch sends that and cannot be told not to, while every browser that says the mode also says the site.
   */
  get isBrowser(): boolean {
    const { headers } = this.request;
    if (headers.origin !== undefined) return true;
    for (const name in headers) {
      if (name.startsWith('sec-fetch-') && !(name === 'sec-fetch-mode' && headers[name] === 'cors'))
        return true;
    }
    return false;
  }

  /** A top-level string field of the parsed body, or null. For credentials that clients may send in the body. */
  bodyField(name: string): string | null {
    const { body } = this.request;
    if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return null;
    const value: unknown = Reflect.get(body, name);
    return typeof value === 'string' ? value : null;
  }

  /** Sends a cookie along with a 2xx answer, in place of one of that name that was set before: a sign-in may run again. */
  setCookie(serialized: string): void {
    const name = serialized.slice(0, serialized.indexOf('='));
    this.cookiesSet ??= new Map();
    const before = this.cookiesSet.get(name);
    this.cookiesSet.set(name, serialized);
    if (before !== undefined) {
      const others = [this.reply.getHeader('set-cookie') ?? []].flat().filter((cookie) => cookie !== before);
      this.reply.removeHeader('set-cookie').header('set-cookie', others);
    }
    this.reply.header('set-cookie', serialized);
  }

  /** Makes the client forget a cookie, whatever the status of the answer: for logout alone. */
  expireCookie(serialized: string): void {
    expireCookieAlways(this.reply, serialized);
  }
}

/** Whether a name that stands at this place in a `Cookie` header is one, and not the tail of another name or of a value. */
function beginsPair(header: string, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && (header[before] === ' ' || header[before] === '\t')) before -= 1;
  return before < 0 || header[before] === ';';
}
