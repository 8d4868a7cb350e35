import { SocketAddress, isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';

const BRACKETED = /^\[([^\]]+)\](?::\d+)?$/;
const MAPPED = '::ffff:';
/** Stands for a client that has gone before anybody asked. */
const UNKNOWN = '0.0.0.0';

/**
 * The address of the client, always a valid IPv4 or IPv6 address in its canonical form without zone or port.
 * `X-Forwarded-For` counts only as far as `TRUST_PROXY` reaches; the other forwarding headers never do.
 */
export function clientAddress(request: FastifyRequest): string {
  return canonicalAddress(request.ip) ?? canonicalAddress(request.raw.socket.remoteAddress) ?? UNKNOWN;
}

/** IPv4-mapped IPv6 becomes IPv4; a zone (`%eth0`) and a port (some gateways add one) go. Null when it is no address. */
export function canonicalAddress(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (!text.includes(':')) return isIP(text) === 4 ? text : null;
  const bare = withoutPort(text).split('%', 1)[0] ?? '';
  const family = isIP(bare);
  if (family === 0) return null;
  if (family === 4) return bare;
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' });
  return address.startsWith(MAPPED) && address.includes('.') ? address.slice(MAPPED.length) : address;
}

function withoutPort(text: string): string {
  if (text.startsWith('[')) return BRACKETED.exec(text)?.[1] ?? '';
  const colon = text.indexOf(':');
  return text.indexOf(':', colon + 1) === -1 ? text.slice(0, colon) : text;
}
