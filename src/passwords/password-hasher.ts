import { randomBytes } from 'node:crypto';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { argon2id, hash as argon2Hash, verify as argon2Verify } from 'argon2';
import { AppConfig } from '../config/app-config.js';
import { threadPoolSize } from '../config/thread-pool.js';
import { HTTP_LIMITS } from '../http/http-server.js';
import { Problem } from '../http/problem.js';
import { HashQueue } from './hash-queue.js';
import { normalisePassword, passwordShapeProblem } from './password-shape.js';
import { HASH_PARAMETERS, isWeaker, parseStoredHash, SALT_LENGTH } from './stored-hash.js';

/** Milliseconds before the connections of a node that ends are cut: time enough for a hash on a core that is wanted by others, too. */
const LAST_CALL = HTTP_LIMITS.drain / 2;

/**
 * Hashes and verifies passwords with argon2id (RFC 9106), a bounded number at a time. Everything that costs a hash takes
 * the same way through the queue, so that time and load tell nothing about which accounts exist.
 */
@Injectable()
export class PasswordHasher implements BeforeApplicationShutdown, OnApplicationShutdown {
  readonly #queue: HashQueue;
  #lastCall: NodeJS.Timeout | undefined;
  /** A well-formed hash of no known password, verified in place of a hash that is not there. */
  readonly #dummy = dummyHash();

  constructor(@Inject(AppConfig) config: Pick<AppConfig, 'passwords'>) {
    const { hashConcurrency, hashQueue } = config.passwords;
    // More than the pool has threads would only wait inside libuv, unseen by the queue. One thread stays free: a burst
    // of logins must not hold up the DNS lookup of a database reconnect.
    this.#queue = new HashQueue(Math.min(hashConcurrency, Math.max(1, threadPoolSize() - 1)), hashQueue);
  }

  /** Hashes computed at once, at most: `PASSWORD_HASH_CONCURRENCY`, held below libuv's thread pool. */
  get concurrency(): number {
    return this.#queue.concurrency;
  }

  /** Hashes being computed now. */
  get running(): number {
    return this.#queue.running;
  }

  /** Hashes that wait. */
  get waiting(): number {
    return this.#queue.waiting;
  }

  /**
   * A PHC string for a new password, in NFC, with a salt of its own.
   *
   * @param signal the client's leaving: takes the hash out of the queue unless it has begun
   * @throws Problem `overloaded` when too many wait or memory is short, `request_timeout` when `signal` aborts
   * @throws TypeError for a password that passwordShape refuses; callers validate first
   */
  async hash(password: string, signal?: AbortSignal): Promise<string> {
    const problem = passwordShapeProblem(password);
    if (problem !== null) throw new TypeError(`A password ${problem}`);
    const options = { type: argon2id, ...HASH_PARAMETERS, salt: randomBytes(SALT_LENGTH) } as const;
    return this.#compute(() => argon2Hash(normalisePassword(password), options), signal);
  }

  /**
   * Whether `password` is the one that `stored` was made from. An unknown user (null), a stored value that is no argon2
   * hash and a password that no hash can have been made from are false at the cost of a hash with the current parameters.
   *
   * @throws Problem `overloaded`, `request_timeout` as {@link hash} does
   */
  async verify(stored: string | null, password: string, signal?: AbortSignal): Promise<boolean> {
    const known = stored !== null && parseStoredHash(stored) !== null;
    const fits = passwordShapeProblem(password) === null;
    const digest = known ? stored : this.#dummy;
    const candidate = fits ? normalisePassword(password) : '';
    const matches = await this.#compute(() => argon2Verify(digest, candidate), signal);
    return matches && known && fits;
  }

  /** Whether a hash that has just been verified should be replaced, because new ones are stronger. */
  needsRehash(stored: string): boolean {
    const parsed = parseStoredHash(stored);
    return parsed === null || isWeaker(parsed);
  }

  /** Who still waits for a hash at the last call is told to try again (elsewhere); the hashes that run then have time to end. */
  beforeApplicationShutdown(): void {
    this.#lastCall = setTimeout(() => this.#queue.refuseWaiting(), HTTP_LIMITS.drain - LAST_CALL);
  }

  /** Waits for hashes under way, so that a rehash after the answer is not cut off. */
  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.#lastCall);
    await this.#queue.drain();
  }

  #compute<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#queue.run(async () => {
      try {
        return await work();
      } catch (cause) {
        // Input was judged before: what is left to go wrong is that the memory for it could not be had.
        throw new Problem('overloaded', { retryAfterSeconds: 5, cause });
      }
    }, signal);
  }
}

function dummyHash(): string {
  const { memoryCost, timeCost, parallelism, hashLength } = HASH_PARAMETERS;
  const salt = base64(randomBytes(SALT_LENGTH));
  return `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$${salt}$${base64(randomBytes(hashLength))}`;
}

/** Without padding, as PHC strings have it. */
function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
