import type { FastifyReply } from 'fastify';
import './fastify-types.js';

/**
 * Makes the client forget a cookie, with a 2xx answer and also with a 401. Every other refusal takes all cookies off the
 * answer (problem.filter.ts), so that a late 401 cannot log out the tab that has just signed in: only logout, which is
 * there to make cookies go, uses this.
 * @param cookie A whole `Set-Cookie` value with `Max-Age=0`.
 */
export function expireCookieAlways(reply: FastifyReply, cookie: string): void {
  reply.header('set-cookie', cookie);
  reply.cookiesToExpire ??= [];
  reply.cookiesToExpire.push(cookie);
}
