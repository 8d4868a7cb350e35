import { BlockList, isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import './fastify-types.js';

/** Whether a peer is a trusted proxy: its address, and how many steps it is away (0 is the one that connected to us). */
export type ProxyTrust = (address: string, hop: number) => boolean;

/**
 * What `TRUST_PROXY` means for one peer. Null when it trusts nobody, so that callers can skip the work.
 * A hop count becomes a function because Fastify takes a plain number as "trust nobody".
 */
export function createProxyTrust(trusted: number | readonly string[]): ProxyTrust | null {
  if (typeof trusted === 'number') return trusted > 0 ? (_address, hop) => hop < trusted : null;
  if (trusted.length === 0) return null;
  const networks = new BlockList();
  for (const cidr of trusted) addNetwork(networks, cidr);
  return (address) => {
    const family = isIP(address);
    return family !== 0 && networks.check(address, family === 4 ? 'ipv4' : 'ipv6');
  };
}

/** Whether the connection comes from a trusted proxy, so that what it says in its headers may be believed. */
export function isFromTrustedProxy(request: FastifyRequest): boolean {
  const address = request.raw.socket.remoteAddress;
  return address !== undefined && request.server.proxyTrust?.(address, 0) === true;
}

function addNetwork(networks: BlockList, cidr: string): void {
  const [address = '', prefix] = cidr.split('/');
  const family = isIP(address);
  if (family === 0) throw new Error(`TRUST_PROXY: ${cidr} is not an address or a network`);
  const type = family === 4 ? 'ipv4' : 'ipv6';
  if (prefix === undefined) networks.addAddress(address, type);
  else networks.addSubnet(address, Number(prefix), type);
}
