import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { SessionId } from '../principal/principal.js';
import { tellStanding } from './rate-limit-headers.js';
import { Throttle } from './throttle.js';

/** Guessing of the current password by whoever holds somebody's session. Counted by session, so that no other is touched. */
@Injectable()
export class PasswordThrottle {
  constructor(private readonly throttle: Throttle) {}

  /**
   * Runs `verify`, which says whether the password is right, within the limit.
   * @throws Problem `too_many_requests`, and `verify` has not run
   */
  async attempt(sessionId: SessionId, reply: FastifyReply, verify: () => Promise<boolean>): Promise<boolean> {
    if (!this.throttle.enabled) return verify();
    const counted = [{ limit: this.throttle.limits.wrongPasswordsPerSession, key: sessionId }];
    tellStanding(reply, await this.throttle.takeAll(counted));
    let right: boolean;
    try {
      right = await verify();
    } catch (error) {
      await this.throttle.giveBack(counted);
      throw error;
    }
    if (right) await this.throttle.reset(counted);
    return right;
  }
}
