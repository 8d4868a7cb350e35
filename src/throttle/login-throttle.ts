import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { takeJudgement } from '../http/earlier-refusal.js';
import { networkOf } from '../http/network-of.js';
import type { Counted } from './counter-store.js';
import { tellStanding } from './rate-limit-headers.js';
import { Throttle } from './throttle.js';
import { ThrottleKeys } from './throttle-keys.js';
import { TooManyRequests } from './too-many-requests.js';

/** Where an attempt comes from, and the answer that will tell its standing. */
export interface Attempt {
  readonly address: string;
  readonly reply: FastifyReply;
}

/** What became of an attempt. */
export interface Judged<T> {
  /** What `prove` yielded. */
  readonly proven: T | null;
  /** Resolves when what a success gives back has been given back; never rejects. To be awaited before the answer. */
  readonly settled: Promise<void>;
}

/** What a failure is counted by in the account. */
interface CountedInAccount {
  /** What success resets. */
  readonly own: readonly Counted[];
  /** What success only gives back. */
  readonly always: readonly Counted[];
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
    private readonly keys: ThrottleKeys,
  ) {}

  /**
   * Runs `prove`, which yields null for a wrong email or password, within the limits.
   * @param isKnown whether the account of the email knows the address
   * @param locked hears of a refusal by the account alone, with the names of its limits, before it is thrown
   * @throws Problem `too_many_requests`, and `prove` has not run
   */
  async attempt<T>(
    { email, isKnown }: { email: string; isKnown: boolean },
    { address, reply }: Attempt,
    prove: () => Promise<T | null>,
    locked: (limits: readonly string[]) => Promise<void>,
  ): Promise<Judged<T>> {
    if (!this.throttle.enabled) return { proven: await prove(), settled: Promise.resolve() };
    // That of ThrottleGuard, which is made here.
    takeJudgement(reply);
    const { limits } = this.throttle;
    const network = networkOf(address);
    const login = { limit: limits.loginsPerAddress, key: network };
    const perAddress = { limit: limits.loginFailuresPerAddress, key: network };
    const account = isKnown ? this.ofKnown(email, address) : this.ofStranger(email);
    const failures = [perAddress, ...account.own, ...account.always];
    const ofAddress = [login, perAddress];
    // The attempt itself is spent whatever comes of it, or a locked account could be asked for without end.
    const standings = await this.throttle.takeAll(failures, [login]).catch(async (error: unknown) => {
      tellStanding(reply, await this.throttle.standings(ofAddress));
      const limits = error instanceof TooManyRequests ? error.limits : [];
      const isByAddress = ofAddress.some(({ limit }) => limits.includes(limit.name));
      if (limits.length > 0 && !isByAddress) await locked(limits);
      throw error;
    });
    // Those of the account would tell whether there is one.
    tellStanding(reply, standings.slice(0, ofAddress.length));
    return this.judge(prove, failures, account);
  }

  private ofKnown(email: string, address: string): CountedInAccount {
    const key = `${this.keys.account(email)}:${this.keys.address(address)[0]?.toString('base64url')}`;
    return { own: [{ limit: this.throttle.limits.loginFailuresFromKnownAddress, key }], always: [] };
  }

  private ofStranger(email: string): CountedInAccount {
    const { limits } = this.throttle;
    const key = this.keys.account(email);
    return {
      own: [{ limit: limits.loginFailuresPerAccount, key }],
      always: [{ limit: limits.loginFailuresPerAccountAndDay, key }],
    };
  }

  private async judge<T>(
    prove: () => Promise<T | null>,
    failures: readonly Counted[],
    { own }: CountedInAccount,
  ): Promise<Judged<T>> {
    let proven: T | null;
    try {
      proven = await prove();
    } catch (error) {
      // Nothing was judged: too much to do, or no database.
      await this.throttle.giveBack(failures);
      throw error;
    }
    if (proven === null) return { proven, settled: Promise.resolve() };
    const givenBack = this.throttle.giveBack(failures.filter((each) => !own.includes(each)));
    const settled = Promise.all([givenBack, this.throttle.reset(own)]).then(() => undefined);
    return { proven, settled };
  }
}
