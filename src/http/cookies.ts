import type { FastifyReply } from 'fastify';

/** Not a property of the reply: Fastify would set it up for each of the many that never have one. */
const expired = new WeakMap<FastifyReply, string[]>();

/**
 * Makes the client forget a cookie, with a 2xx answer and also with a 401. Every other refusal takes all cookies off the
 * answer (problem.filter.ts), so that a late 401 cannot log out the tab that has just signed in: only logout, which is
 * there to make cookies go, uses this.
 * @param cookie A whole `Set-Cookie` value with `Max-Age=0`.
 */
export function expireCookieAlways(reply: FastifyReply, cookie: string): void {
  reply.header('set-cookie', cookie);
  expired.set(reply, [...(expired.get(reply) ?? []), cookie]);
}

/** The cookies that {@link expireCookieAlways} put on this reply. */
export function alwaysExpired(reply: FastifyReply): readonly string[] {
  return expired.get(reply) ?? [];
}
