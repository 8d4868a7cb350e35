import { SocketAddress, isIPv6 } from 'node:net';

/**
 * What counts as one address: an IPv4 address, or the /64 that an IPv6 customer has at least (RFC 6177).
 * @param address in the form of `canonicalAddress`
 */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  // An IPv4 part at the end stands for two groups.
  const length = (list: readonly string[]): number =>
    list.length + Number(list.at(-1)?.includes('.') ?? false);
  const missing = tail === undefined ? 0 : 8 - length(groups) - length(after);
  const prefix = [...groups, ...Array<string>(Math.max(0, missing)).fill('0'), ...after].slice(0, 4);
  return `${new SocketAddress({ address: `${prefix.join(':')}::`, family: 'ipv6' }).address}/64`;
}
