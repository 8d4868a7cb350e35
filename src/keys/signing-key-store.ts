import { type KeyObject, createPublicKey, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database, type Queryable } from '../database/database.js';
import { LOGGER, type Logger } from '../http/logger.js';
import { decryptPrivateKey, encryptPrivateKey } from './key-cipher.js';
import { SIGNING_ALGORITHMS, type SigningAlgorithm, generatePrivateKey } from './signing-algorithms.js';

/** A key pair that signs, will sign, or has signed tokens that may still be alive. */
export interface SigningKeyPair {
  /** The `kid`. */
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** Where a key stands, judged by the database's clock. */
export interface SigningKeyState {
  readonly id: string;
  /** Its time to sign has come, and it has not been retired. */
  readonly signs: boolean;
  readonly retired: boolean;
}

/** What an operator may see of a key. */
export interface SigningKeyInfo {
  readonly id: string;
  readonly algorithm: string;
  readonly createdAt: Date;
  readonly signsFrom: Date;
  readonly retiredAt: Date | null;
  readonly withdrawnAt: Date | null;
}

/** The rows of `signing_keys`. Only here are private keys encrypted and decrypted. */
@Injectable()
export class SigningKeyStore {
  constructor(
    private readonly database: Database,
    private readonly config: AppConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** All keys that have not been withdrawn, newest to sign first. */
  async states(on: Queryable = this.database): Promise<SigningKeyState[]> {
    return on.query<SigningKeyState>(
      `SELECT id, signs_from <= now() AND retired_at IS NULL AS signs, retired_at IS NOT NULL AS retired
       FROM signing_keys WHERE withdrawn_at IS NULL OR withdrawn_at > now() ORDER BY signs_from DESC, id`,
    );
  }

  /** Loads and decrypts keys. One that no accepted secret opens is left out, with an error in the log. */
  async load(ids: readonly string[]): Promise<SigningKeyPair[]> {
    const rows = await this.database.query<{ id: string; algorithm: string; encrypted_private_key: Buffer }>(
      'SELECT id, algorithm, encrypted_private_key FROM signing_keys WHERE id = ANY($1)',
      [ids],
    );
    return rows.flatMap((row) => this.open(row.id, row.algorithm, row.encrypted_private_key) ?? []);
  }

  /** Makes a key that signs from `signsInSeconds` on. */
  async create(on: Queryable, algorithm: SigningAlgorithm, signsInSeconds: number): Promise<string> {
    const id = randomBytes(12).toString('base64url');
    const [secret] = this.config.secrets;
    const privateKey = await generatePrivateKey(algorithm);
    await on.query(
      `INSERT INTO signing_keys (id, algorithm, encrypted_private_key, secret_id, signs_from)
       VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))`,
      [id, algorithm, encryptPrivateKey(secret, id, privateKey), secret.id, signsInSeconds],
    );
    return id;
  }

  /** Whether no key is younger, as a signing one, than so many seconds. */
  async newestIsOlderThan(on: Queryable, seconds: number): Promise<boolean> {
    const rows = await on.query(
      `SELECT 1 FROM signing_keys WHERE retired_at IS NULL AND withdrawn_at IS NULL
       AND signs_from > now() - make_interval(secs => $1) LIMIT 1`,
      [seconds],
    );
    return rows.length === 0;
  }

  /** Retires keys that a newer signing key has followed, and sets when they are withdrawn. @returns the ids. */
  async retireFollowed(on: Queryable, withdrawAfterSeconds: number): Promise<string[]> {
    const rows = await on.query<{ id: string }>(
      `UPDATE signing_keys k SET retired_at = now(), withdrawn_at = now() + make_interval(secs => $1)
       WHERE retired_at IS NULL AND withdrawn_at IS NULL AND EXISTS (
         SELECT 1 FROM signing_keys n WHERE n.signs_from > k.signs_from AND n.signs_from <= now() AND n.withdrawn_at IS NULL)
       RETURNING id`,
      [withdrawAfterSeconds],
    );
    return rows.map(({ id }) => id);
  }

  /** Withdraws every other key at once: nothing that they signed is accepted any more. */
  async withdrawAllBut(on: Queryable, id: string): Promise<void> {
    await on.query(
      `UPDATE signing_keys SET withdrawn_at = now(), retired_at = coalesce(retired_at, now())
       WHERE id <> $1 AND (withdrawn_at IS NULL OR withdrawn_at > now())`,
      [id],
    );
  }

  /** Encrypts all keys anew that an older secret than the first one protects, so that it can be taken away. */
  async reencrypt(on: Queryable): Promise<void> {
    const [secret] = this.config.secrets;
    const rows = await on.query<{ id: string; algorithm: string; encrypted_private_key: Buffer }>(
      `SELECT id, algorithm, encrypted_private_key FROM signing_keys
       WHERE secret_id <> $1 AND (withdrawn_at IS NULL OR withdrawn_at > now())`,
      [secret.id],
    );
    for (const row of rows) {
      const key = this.open(row.id, row.algorithm, row.encrypted_private_key);
      if (!key) continue;
      await on.query('UPDATE signing_keys SET encrypted_private_key = $2, secret_id = $3 WHERE id = $1', [
        row.id,
        encryptPrivateKey(secret, row.id, key.privateKey),
        secret.id,
      ]);
    }
  }

  /** All keys with their times, newest first. */
  async list(): Promise<SigningKeyInfo[]> {
    return this.database.query<SigningKeyInfo>(
      `SELECT id, algorithm, created_at AS "createdAt", signs_from AS "signsFrom", retired_at AS "retiredAt",
       withdrawn_at AS "withdrawnAt" FROM signing_keys ORDER BY signs_from DESC, id`,
    );
  }

  private open(id: string, algorithm: string, encrypted: Buffer): SigningKeyPair | null {
    const known = SIGNING_ALGORITHMS.find((name) => name === algorithm);
    if (!known) return null;
    for (const secret of this.config.secrets) {
      try {
        const privateKey = decryptPrivateKey(secret, id, encrypted);
        return { id, algorithm: known, privateKey, publicKey: createPublicKey(privateKey) };
      } catch {
        // Another secret may open it.
      }
    }
    this.logger.error({ kid: id }, 'no APP_SECRET opens this signing key: it is not used');
    return null;
  }
}
