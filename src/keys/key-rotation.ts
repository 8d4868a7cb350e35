import { Inject, Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../http/logger.js';
import { SigningKeyStore } from './signing-key-store.js';

/** A key is published this long before it signs: longer than any verifier may cache the JWKS (5 minutes). */
const PUBLISHED_BEFORE_SECONDS = 15 * 60;
/** Beyond the life of the last token that a retired key signed: for nodes and verifiers whose clocks are off. */
const WITHDRAWN_AFTER_MARGIN_SECONDS = 60 * 60;
const CHECK_MILLISECONDS = 60_000;
const LOCK = 'signing-keys';

/** Makes, follows and withdraws signing keys: one node at a time, under an advisory lock. */
@Injectable()
export class KeyRotation {
  private lastCheck = performance.now();

  constructor(
    private readonly database: Database,
    private readonly store: SigningKeyStore,
    private readonly config: AppConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * At start: makes the first key, or one of a newly configured algorithm, and encrypts keys of an older secret anew.
   * Nodes that start together make one.
   */
  async ensureKey(): Promise<void> {
    const { algorithm } = this.config.jwt;
    await this.database.withAdvisoryLock(LOCK, async (connection) => {
      const usable = await connection.query<{ algorithm: string }>(
        'SELECT algorithm FROM signing_keys WHERE retired_at IS NULL AND withdrawn_at IS NULL',
      );
      if (!usable.some((key) => key.algorithm === algorithm)) {
        const kid = await this.store.create(
          connection,
          algorithm,
          usable.length === 0 ? 0 : PUBLISHED_BEFORE_SECONDS,
        );
        this.logger.info({ kid, algorithm }, 'made a signing key');
      }
      await this.store.reencrypt(connection);
    });
  }

  /** Once a minute: makes the next key when `JWT_KEY_ROTATION` comes near, and retires keys that were followed. */
  async rotateIfDue(): Promise<void> {
    if (performance.now() - this.lastCheck < CHECK_MILLISECONDS) return;
    this.lastCheck = performance.now();
    await this.rotate(false);
  }

  /** Makes the next key now; it signs when it has been published for 15 minutes. @returns its id. */
  async rotateNow(): Promise<string> {
    return (await this.rotate(true)) ?? '';
  }

  /** For a leaked key: withdraws all keys at once and signs with a new one. Access tokens die, refresh tokens go on. */
  async replaceCompromised(): Promise<string> {
    const kid = await this.database.withAdvisoryLock(LOCK, async (connection) => {
      const created = await this.store.create(connection, this.config.jwt.algorithm, 0);
      await this.store.withdrawAllBut(connection, created);
      return created;
    });
    this.logger.warn({ kid }, 'withdrew all signing keys as compromised and made a new one');
    return kid;
  }

  private async rotate(now: boolean): Promise<string | null> {
    const { algorithm, keyRotationSeconds, accessSeconds } = this.config.jwt;
    return this.database.withAdvisoryLock(LOCK, async (connection) => {
      const due =
        now ||
        (await this.store.newestIsOlderThan(connection, keyRotationSeconds - PUBLISHED_BEFORE_SECONDS));
      const kid = due ? await this.store.create(connection, algorithm, PUBLISHED_BEFORE_SECONDS) : null;
      if (kid)
        this.logger.info(
          { kid, algorithm, signsInSeconds: PUBLISHED_BEFORE_SECONDS },
          'made the next signing key',
        );
      const retired = await this.store.retireFollowed(
        connection,
        accessSeconds + WITHDRAWN_AFTER_MARGIN_SECONDS,
      );
      if (retired.length > 0) this.logger.info({ kids: retired }, 'retired signing keys');
      return kid;
    });
  }
}
