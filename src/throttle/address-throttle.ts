import { Injectable } from '@nestjs/common';
import { networkOf } from '../http/network-of.js';
import type { Counted } from './counter-store.js';
import type { Limit } from './limits.js';
import type { Attempt } from './login-throttle.js';
import { tellStanding } from './rate-limit-headers.js';
import { Throttle } from './throttle.js';

/** What is counted by address alone, besides sign-ins. */
@Injectable()
export class AddressThrottle {
  constructor(private readonly throttle: Throttle) {}

  /** Counts a signup that is well-formed, before its hash. @throws Problem `too_many_requests` */
  async signup({ address, reply }: Attempt): Promise<void> {
    const counted = this.counted(this.throttle.limits.signupsPerAddress, address);
    if (this.throttle.enabled) tellStanding(reply, await this.throttle.takeAll(counted));
  }

  /** Counts a refresh that is about to be refused. Never throws: when there were too many, the guard refuses the next one. */
  async refusedRefresh({ address, reply }: Attempt): Promise<void> {
    const counted = this.counted(this.throttle.limits.refusedRefreshesPerAddress, address);
    if (this.throttle.enabled) tellStanding(reply, await this.throttle.count(counted));
  }

  private counted(limit: Limit, address: string): Counted[] {
    return [{ limit, key: networkOf(address) }];
  }
}
