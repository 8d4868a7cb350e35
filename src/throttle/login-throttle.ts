import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { networkOf } from '../http/network-of.js';
import { KnownAddresses } from './known-addresses.js';
import { tellStanding } from './rate-limit-headers.js';
import { type Counted, Throttle } from './throttle.js';
import { ThrottleKeys } from './throttle-keys.js';
import { TooManyRequests } from './too-many-requests.js';

/** Where an attempt comes from, and the answer that will tell its standing. */
export interface Attempt {
  readonly address: string;
  readonly reply: FastifyReply;
}

/**
 * Guessing of passwords at sign-in. Each attempt reserves a failure before the hash and gets it back when it was none, so that
 * guesses in parallel never exceed a limit and a 429 costs no hash. Known and unknown accounts are treated alike: both are
 * counted by a keyed hash of the canonical email.
 */
@Injectable()
export class LoginThrottle {
  constructor(
    private readonly throttle: Throttle,
    private readonly known: KnownAddresses,
    private readonly keys: ThrottleKeys,
  ) {}

  /**
   * Runs `prove`, which yields null for a wrong email or password, within the limits.
   * @param locked hears of a refusal by the account, with the names of its limits, before it is thrown
   * @throws Problem `too_many_requests`, and `prove` has not run
   */
  async attempt<T>(
    email: string,
    { address, reply }: Attempt,
    prove: () => Promise<T | null>,
    locked: (limits: readonly string[]) => Promise<void>,
  ): Promise<T | null> {
    if (!this.throttle.enabled) return prove();
    const { limits } = this.throttle;
    const network = networkOf(address);
    const login = { limit: limits.loginsPerAddress, key: network };
    const perAddress = { limit: limits.loginFailuresPerAddress, key: network };
    const account = await this.ofAccount(email, address);
    const failures = [perAddress, ...account.own, ...account.always];
    // The attempt itself is spent whatever comes of it, or a locked account could be asked for without end.
    const standings = await this.throttle.takeAll(failures, [login]).catch(async (error: unknown) => {
      const limits = error instanceof TooManyRequests ? error.limits : [];
      const ofAccount = limits.filter((name) => name !== login.limit.name && name !== perAddress.limit.name);
      if (ofAccount.length > 0) await locked(ofAccount);
      throw error;
    });
    // Those of the account would tell whether there is one.
    tellStanding(reply, standings.slice(0, 2));
    return this.judge(prove, failures, account);
  }

  /** What a failure is counted by in the account: its buckets that success resets, and those that success only gives back. */
  private async ofAccount(email: string, address: string): Promise<{ own: Counted[]; always: Counted[] }> {
    const { limits } = this.throttle;
    const key = this.keys.account(email);
    if (await this.known.knows(email, address)) {
      const own = `${key}:${this.keys.address(address)[0]?.toString('base64url')}`;
      return { own: [{ limit: limits.loginFailuresFromKnownAddress, key: own }], always: [] };
    }
    return {
      own: [{ limit: limits.loginFailuresPerAccount, key }],
      always: [{ limit: limits.loginFailuresPerAccountAndDay, key }],
    };
  }

  private async judge<T>(
    prove: () => Promise<T | null>,
    failures: readonly Counted[],
    { own }: { own: readonly Counted[] },
  ): Promise<T | null> {
    let proven: T | null;
    try {
      proven = await prove();
    } catch (error) {
      // Nothing was judged: too much to do, or no database.
      await this.throttle.giveBack(failures);
      throw error;
    }
    if (proven === null) return null;
    await Promise.all([
      this.throttle.giveBack(failures.filter((each) => !own.includes(each))),
      this.throttle.reset(own),
    ]);
    return proven;
  }
}
