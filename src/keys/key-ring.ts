import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { LOGGER, type Logger } from '../http/logger.js';
import { Problem } from '../http/problem.js';
import { KeyRotation } from './key-rotation.js';
import { type SigningKeyPair, type SigningKeyState, SigningKeyStore } from './signing-key-store.js';

const POLL_MILLISECONDS = 1000;
const UNKNOWN_KEY_COOLDOWN_MILLISECONDS = 5000;

/**
 * The signing keys of this node: which one signs, which ones are published and accepted. The database is asked once a second,
 * so a new key is known everywhere long before it signs, and a withdrawn one refused within a second.
 */
@Injectable()
export class KeyRing implements OnApplicationBootstrap, OnApplicationShutdown {
  private keys = new Map<string, SigningKeyPair>();
  private states: readonly SigningKeyState[] = [];
  private loading: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private lastLookForUnknown = -Infinity;
  private failing = false;

  constructor(
    private readonly store: SigningKeyStore,
    private readonly rotation: KeyRotation,
    private readonly config: AppConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.rotation.ensureKey();
    await this.reload();
    this.timer = setInterval(() => void this.poll(), POLL_MILLISECONDS).unref();
  }

  /** The key that signs now: the newest of the configured algorithm, else the newest of any. @throws Problem `unavailable` */
  signingKey(): SigningKeyPair {
    const signing = this.states.filter(({ signs }) => signs).flatMap(({ id }) => this.keys.get(id) ?? []);
    const key = signing.find(({ algorithm }) => algorithm === this.config.jwt.algorithm) ?? signing[0];
    if (!key)
      throw new Problem('unavailable', {
        retryAfterSeconds: 1,
        cause: new Error('no signing key is loaded'),
      });
    return key;
  }

  /** The key of that `kid`. Asks the database once for one that is unknown, then not again for a while. */
  async find(id: string): Promise<SigningKeyPair | null> {
    const known = this.keys.get(id);
    if (known) return known;
    const now = performance.now();
    if (now - this.lastLookForUnknown < UNKNOWN_KEY_COOLDOWN_MILLISECONDS) return null;
    this.lastLookForUnknown = now;
    await this.reload();
    return this.keys.get(id) ?? null;
  }

  /** All keys that a verifier should know, the next one included, oldest last. */
  published(): SigningKeyPair[] {
    return this.states.flatMap(({ id }) => this.keys.get(id) ?? []);
  }

  /** Takes over what the database says now. Concurrent calls share one reading. */
  async reload(): Promise<void> {
    this.loading ??= this.read().finally(() => (this.loading = undefined));
    await this.loading;
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.loading?.catch(() => undefined);
  }

  private async read(): Promise<void> {
    const states = await this.store.states();
    const missing = states.filter(({ id }) => !this.keys.has(id)).map(({ id }) => id);
    const loaded = missing.length > 0 ? await this.store.load(missing) : [];
    const fresh = new Map(loaded.map((key) => [key.id, key]));
    this.keys = new Map(
      states.flatMap(({ id }) => {
        const key = fresh.get(id) ?? this.keys.get(id);
        return key ? [[id, key] as const] : [];
      }),
    );
    this.states = states;
  }

  private async poll(): Promise<void> {
    try {
      await this.reload();
      this.failing = false;
      await this.rotation.rotateIfDue();
    } catch (error) {
      if (!this.failing)
        this.logger.warn({ err: error }, 'signing keys could not be read; the known ones stay in use');
      this.failing = true;
    }
  }
}
