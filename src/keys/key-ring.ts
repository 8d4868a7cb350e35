import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { SessionFeed } from '../feed/session-feed.js';
import { LOGGER, type Logger } from '../http/logger.js';
import { Problem } from '../http/problem.js';
import { KeyRotation } from './key-rotation.js';
import { type SigningKeyPair, type SigningKeyState, SigningKeyStore } from './signing-key-store.js';

const POLL_MILLISECONDS = 500;
/** What is older proves nothing: with a poll and its journey this keeps a withdrawal under a second, as with the session feed. */
const PROVEN_MILLISECONDS = 800;
const UPKEEP_MILLISECONDS = 60_000;
const UNKNOWN_KEY_COOLDOWN_MILLISECONDS = 5000;
const EVERYTHING = { sessionId: null, userId: null };

/**
 * The signing keys of this node: which one signs, which ones are published and accepted. The database is asked twice a second, and
 * at once when the feed says that a key was withdrawn; a token is not verified by what is older than 800 ms. So a new key is known
 * everywhere long before it signs, and a withdrawn one refused everywhere within a second.
 */
@Injectable()
export class KeyRing implements OnApplicationBootstrap, OnApplicationShutdown {
  private keys = new Map<string, SigningKeyPair>();
  private states: readonly SigningKeyState[] = [];
  /** Keys that did not open, so that they are neither read nor reported again and again. */
  private readonly unopened = new Set<string>();
  private reading: Promise<void> | undefined;
  private readAgain: Promise<void> | undefined;
  /** A reading for the sake of an unknown key. */
  private looking: Promise<void> | undefined;
  private working: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private lastUpkeep = -Infinity;
  private lastLookForUnknown = -Infinity;
  /** When the newest successful reading was sent, on both clocks: the monotonic one stands still while a machine is suspended. */
  private proven = { monotonic: -Infinity, wall: -Infinity };
  /** Why the newest reading failed; null when it did not. */
  private failure: unknown = null;

  constructor(
    private readonly store: SigningKeyStore,
    private readonly rotation: KeyRotation,
    private readonly config: AppConfig,
    private readonly feed: SessionFeed,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.rotation.ensure();
    this.lastUpkeep = performance.now();
    await this.reload();
    this.feed.subscribe(({ sessionId, userId }) => {
      if (sessionId === null && userId === null) this.reload().catch(() => undefined);
    });
    let idle = true;
    this.timer = setInterval(() => {
      if (!idle) return;
      idle = false;
      this.working = this.poll().finally(() => (idle = true));
    }, POLL_MILLISECONDS).unref();
  }

  /** The key that signs now: the newest of the configured algorithm, else the newest of any. @throws Problem `unavailable` */
  signingKey(): SigningKeyPair {
    const signing = this.signing();
    const key = signing.find(({ algorithm }) => algorithm === this.config.jwt.algorithm) ?? signing[0];
    if (key) return key;
    throw new Problem('unavailable', { retryAfterSeconds: 1, cause: new Error('no signing key is loaded') });
  }

  /**
   * The key of that `kid`, by a reading of the database that is recent. Asks once for a key that is unknown, then not again for a while.
   * @throws Problem `unavailable` when that could not be asked: then nobody can tell whether the key is (still) ours
   */
  async find(id: string): Promise<SigningKeyPair | null> {
    if (!this.isProven()) await this.reload();
    const known = this.keys.get(id);
    if (known) return known;
    const now = performance.now();
    if (now - this.lastLookForUnknown >= UNKNOWN_KEY_COOLDOWN_MILLISECONDS) {
      this.lastLookForUnknown = now;
      this.looking = this.reload().finally(() => (this.looking = undefined));
    }
    await this.looking;
    const found = this.keys.get(id) ?? null;
    if (!found && this.failure !== null)
      throw new Problem('unavailable', { retryAfterSeconds: 1, cause: this.failure });
    return found;
  }

  /** All keys that a verifier should know, the next one included, oldest last. */
  published(): SigningKeyPair[] {
    return this.states.flatMap(({ id }) => this.keys.get(id) ?? []);
  }

  /** Takes over what the database says from now on: a reading that is under way may be too old, and is followed by another. */
  async reload(): Promise<void> {
    if (!this.reading) return this.startReading();
    this.readAgain ??= this.reading
      .catch(() => undefined)
      .then(() => {
        this.readAgain = undefined;
        return this.startReading();
      });
    return this.readAgain;
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.working;
    await (this.readAgain ?? this.reading)?.catch(() => undefined);
  }

  private isProven(): boolean {
    const { monotonic, wall } = this.proven;
    return performance.now() - monotonic <= PROVEN_MILLISECONDS && Date.now() - wall <= PROVEN_MILLISECONDS;
  }

  private signing(): SigningKeyPair[] {
    return this.states.filter(({ signs }) => signs).flatMap(({ id }) => this.keys.get(id) ?? []);
  }

  private startReading(): Promise<void> {
    this.reading = this.read().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async read(): Promise<void> {
    const sent = { monotonic: performance.now(), wall: Date.now() };
    try {
      const states = await this.store.states();
      const missing = states.filter((state) => !this.keys.has(state.id) && !this.unopened.has(tried(state)));
      const loaded = missing.length > 0 ? await this.store.load(missing.map(({ id }) => id)) : [];
      this.take(states, loaded);
      for (const state of missing) if (!this.keys.has(state.id)) this.reportUnopened(state);
      this.proven = sent;
      this.failure = null;
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  private take(states: readonly SigningKeyState[], loaded: readonly SigningKeyPair[]): void {
    const found = new Map([...this.keys, ...loaded.map((key) => [key.id, key] as const)]);
    const kept = states.flatMap(({ id }) => found.get(id) ?? []);
    const withdrawn = [...this.keys.keys()].some((id) => !kept.some((key) => key.id === id));
    this.keys = new Map(kept.map((key) => [key.id, key]));
    this.states = states;
    // What was verified by a key that is gone is not to be remembered, nor what is being verified by it right now.
    if (withdrawn) this.feed.noteOwn(EVERYTHING);
  }

  private reportUnopened(state: SigningKeyState): void {
    this.unopened.add(tried(state));
    this.logger.error({ kid: state.id }, 'no APP_SECRET opens this signing key: it is not used');
  }

  private async poll(): Promise<void> {
    const hadFailed = this.failure !== null;
    try {
      await this.reload();
      const now = performance.now();
      if (now - this.lastUpkeep < UPKEEP_MILLISECONDS && this.signing().length > 0) return;
      this.lastUpkeep = now;
      await this.rotation.upkeep();
      await this.reload();
    } catch (error) {
      if (!hadFailed)
        this.logger.warn({ err: error }, 'signing keys could not be read; the known ones stay in use');
    }
  }
}

/** A key under a secret: another node may encrypt it anew under one that we have. */
function tried({ id, secretId }: SigningKeyState): string {
  return `${id} ${secretId}`;
}
