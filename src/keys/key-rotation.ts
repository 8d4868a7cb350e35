import { Inject, Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database, type Queryable } from '../database/database.js';
import { LOGGER, type Logger } from '../http/logger.js';
import { type HeldKey, SigningKeyStore } from './signing-key-store.js';

/** A key is published this long before it signs: longer than any verifier may cache the JWKS (5 minutes). */
export const PUBLISHED_BEFORE_SECONDS = 15 * 60;
/** Beyond the life of the last token that a retired key signed: for nodes and verifiers whose clocks are off. */
const WITHDRAWN_AFTER_MARGIN_SECONDS = 60 * 60;
const LOCK = 'signing-keys';

/** Makes, follows and withdraws signing keys: one node at a time, under an advisory lock. All times are the database's. */
@Injectable()
export class KeyRotation {
  constructor(
    private readonly database: Database,
    private readonly store: SigningKeyStore,
    private readonly config: AppConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Does what is due, waiting for another node that is at it: afterwards there is a key that signs. */
  async ensure(): Promise<void> {
    await this.database.withAdvisoryLock(LOCK, (connection) => this.tend(connection, false));
  }

  /** Does what is due, unless another node is at it. */
  async upkeep(): Promise<void> {
    await this.database.tryAdvisoryLock(LOCK, (connection) => this.tend(connection, false));
  }

  /** Makes the next key now. It signs when it has been published for 15 minutes. @returns its id. */
  async rotateNow(): Promise<string> {
    const kid = await this.database.withAdvisoryLock(LOCK, (connection) => this.tend(connection, true));
    if (kid === null) throw new Error('a rotation made no key');
    return kid;
  }

  /**
   * For a leaked key: withdraws all keys at once, on every node within a second, and signs with a new one. Access tokens
   * are dead, refresh tokens and sessions go on. @returns the id of the new key.
   */
  async replaceCompromised(): Promise<string> {
    return this.database.withAdvisoryLock(LOCK, async (connection) => {
      const kid = await this.store.create(connection, this.config.jwt.algorithm, 0);
      const withdrawn = await this.store.withdrawAllBut(connection, kid);
      this.logger.warn({ kid, withdrawn }, 'withdrew all signing keys as compromised and made a new one');
      return kid;
    });
  }

  /** @returns the id of the key that was made, if one was. */
  private async tend(connection: Queryable, rotateNow: boolean): Promise<string | null> {
    const held = await this.store.held(connection);
    const active = held.filter(({ retired }) => !retired);
    const kid = await this.create(connection, active, rotateNow);
    await this.retireFollowed(connection, active);
    await this.encryptAnew(connection, held);
    return kid;
  }

  /**
   * Makes a key when none can sign (the first start, or no secret opens those that there are), and the next one when
   * `JWT_KEY_ROTATION` comes near or the configured algorithm has none.
   */
  private async create(
    connection: Queryable,
    active: readonly HeldKey[],
    rotateNow: boolean,
  ): Promise<string | null> {
    const { algorithm, keyRotationSeconds } = this.config.jwt;
    const nextFrom = keyRotationSeconds - PUBLISHED_BEFORE_SECONDS;
    const nobodySigns = !active.some(({ signingForSeconds }) => signingForSeconds >= 0);
    const due = !active.some((key) => key.algorithm === algorithm && key.signingForSeconds < nextFrom);
    if (!nobodySigns && !due && !rotateNow) return null;
    const signsInSeconds = nobodySigns ? 0 : PUBLISHED_BEFORE_SECONDS;
    const kid = await this.store.create(connection, algorithm, signsInSeconds);
    this.logger.info({ kid, algorithm, signsInSeconds }, 'made a signing key');
    return kid;
  }

  /** A key is followed when one that came later signs. What it signed is accepted until it cannot be alive any more. */
  private async retireFollowed(connection: Queryable, active: readonly HeldKey[]): Promise<void> {
    const [newest, ...followed] = active.filter(({ signingForSeconds }) => signingForSeconds >= 0);
    if (!newest || followed.length === 0) return;
    const kids = followed.map(({ id }) => id);
    const lifetime = this.config.jwt.accessSeconds + WITHDRAWN_AFTER_MARGIN_SECONDS;
    await this.store.retire(connection, kids, lifetime);
    this.logger.info({ kids, followedBy: newest.id, withdrawnInSeconds: lifetime }, 'retired signing keys');
  }

  private async encryptAnew(connection: Queryable, held: readonly HeldKey[]): Promise<void> {
    const [secret] = this.config.secrets;
    const older = held.filter(({ secretId }) => secretId !== secret.id);
    for (const key of older) await this.store.encryptAnew(connection, key);
    if (older.length > 0)
      this.logger.info({ kids: older.map(({ id }) => id) }, 'encrypted signing keys under the first secret');
  }
}
