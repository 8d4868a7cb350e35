import type { FastifyReply } from 'fastify';
import type { Standing } from './counter-store.js';
import type { Limit } from './limits.js';

/** Says which limits a route has: draft-ietf-httpapi-ratelimit-headers-10, section 3. */
export function announce(reply: FastifyReply, limits: readonly Limit[]): void {
  const items = limits.map(({ name, points, windowSeconds }) => `"${name}";q=${points};w=${windowSeconds}`);
  reply.header('ratelimit-policy', items.join(', '));
}

/** Says how much of them is left for this client (section 4); `t` while a window runs. Takes the place of what was said before. */
export function tellStanding(reply: FastifyReply, standings: readonly Standing[]): void {
  const items = standings.map(
    ({ limit, remaining, resetSeconds }) =>
      `"${limit.name}";r=${remaining}${resetSeconds > 0 ? `;t=${resetSeconds}` : ''}`,
  );
  reply.header('ratelimit', items.join(', '));
}
