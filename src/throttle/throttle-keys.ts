import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AppConfig } from '../config/app-config.js';
import { networkOf } from '../http/network-of.js';

const LABEL = 'throttle keys';
/** One sign-in asks three times for the hashes of its address. */
const REMEMBERED_ADDRESSES = 1_000;

/** What counters and known addresses are kept by. Nothing that they are kept by tells who somebody is without `APP_SECRET`. */
@Injectable()
export class ThrottleKeys {
  private readonly keys: readonly Buffer[];
  private readonly addresses = new LRUCache<string, readonly Buffer[]>({ max: REMEMBERED_ADDRESSES });

  constructor(config: AppConfig) {
    this.keys = config.secrets.map((secret) => secret.derive(LABEL));
  }

  /** The key of an account, whether there is one or not. @param email in canonical form, so that its spellings are one */
  account(email: string): string {
    return this.hash(`account ${email}`)[0]?.toString('base64url') ?? '';
  }

  /** The hashes of an address by each accepted secret, the one to keep first. */
  address(address: string): readonly Buffer[] {
    const known = this.addresses.get(address);
    if (known !== undefined) return known;
    const hashes = this.hash(`address ${networkOf(address)}`);
    this.addresses.set(address, hashes);
    return hashes;
  }

  private hash(text: string): Buffer[] {
    return this.keys.map((key) => createHmac('sha256', key).update(text).digest());
  }
}
