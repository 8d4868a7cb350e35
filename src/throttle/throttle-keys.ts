import { createHmac } from 'node:crypto';
import { SocketAddress, isIPv6 } from 'node:net';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';

const LABEL = 'throttle keys';

/** What counters and known addresses are kept by. Nothing that they are kept by tells who somebody is without `APP_SECRET`. */
@Injectable()
export class ThrottleKeys {
  private readonly keys: readonly Buffer[];

  constructor(config: AppConfig) {
    this.keys = config.secrets.map((secret) => secret.derive(LABEL));
  }

  /** The key of an account, whether there is one or not. @param email in canonical form, so that its spellings are one */
  account(email: string): string {
    return this.hash(`account ${email}`)[0]?.toString('base64url') ?? '';
  }

  /** The hashes of an address by each accepted secret, the one to keep first. */
  address(address: string): Buffer[] {
    return this.hash(`address ${networkOf(address)}`);
  }

  private hash(text: string): Buffer[] {
    return this.keys.map((key) => createHmac('sha256', key).update(text).digest());
  }
}

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
