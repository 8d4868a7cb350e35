import { type KeyObject, createPublicKey, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database, type Queryable } from '../database/database.js';
import { decryptPrivateKey, encryptPrivateKey } from './key-cipher.js';
import { SIGNING_ALGORITHMS, type SigningAlgorithm, generatePrivateKey } from './signing-algorithms.js';

/** A key pair that signs, will sign, or has signed tokens that may still be alive. */
export interface SigningKeyPair {
  /** The `kid`. */
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  readonly privateKey: KeyObject;
  /** Computed from the private key: nothing else in the row could be trusted to say it. */
  readonly publicKey: KeyObject;
}

/** Where a key stands, judged by the database's clock. */
export interface SigningKeyState {
  readonly id: string;
  /** The `AppSecret.id` that is said to open it. */
  readonly secretId: string;
  /** Its time to sign has come, and it has not been retired. */
  readonly signs: boolean;
}

/** A key that this node can use, with all that its upkeep needs to know. */
export interface HeldKey extends SigningKeyPair {
  readonly secretId: string;
  readonly retired: boolean;
  /** For how long it has been its turn to sign; negative while that is still to come. */
  readonly signingForSeconds: number;
}

/** What an operator may see of a key. */
export interface SigningKeyInfo {
  readonly id: string;
  readonly algorithm: string;
  /** `unreadable`: none of this node's secrets opens it, so it is neither published nor accepted here. */
  readonly state: 'next' | 'signing' | 'retired' | 'withdrawn' | 'unreadable';
  readonly createdAt: Date;
  readonly signsFrom: Date;
  readonly retiredAt: Date | null;
  readonly withdrawnAt: Date | null;
}

interface KeyRow {
  id: string;
  algorithm: string;
  encrypted_private_key: Buffer;
}

const NOT_WITHDRAWN = '(withdrawn_at IS NULL OR withdrawn_at > now())';

/** The rows of `signing_keys`. Only here are private keys encrypted and decrypted. */
@Injectable()
export class SigningKeyStore {
  constructor(
    private readonly database: Database,
    private readonly config: AppConfig,
  ) {}

  /** All keys that have not been withdrawn, the newest to sign first. */
  async states(): Promise<SigningKeyState[]> {
    return this.database.query<SigningKeyState>(
      `SELECT id, secret_id AS "secretId", signs_from <= now() AND retired_at IS NULL AS signs
       FROM signing_keys WHERE ${NOT_WITHDRAWN} ORDER BY signs_from DESC, id`,
    );
  }

  /** Loads and decrypts keys. One that no accepted secret opens is left out. */
  async load(ids: readonly string[]): Promise<SigningKeyPair[]> {
    const rows = await this.database.query<KeyRow>(
      'SELECT id, algorithm, encrypted_private_key FROM signing_keys WHERE id = ANY($1)',
      [ids],
    );
    return rows.flatMap((row) => this.open(row) ?? []);
  }

  /** All keys that have not been withdrawn and that this node's secrets open, the newest to sign first. */
  async held(on: Queryable): Promise<HeldKey[]> {
    const rows = await on.query<
      KeyRow & Pick<HeldKey, 'retired'> & { secret_id: string; signing_for: number }
    >(
      `SELECT id, algorithm, encrypted_private_key, secret_id, retired_at IS NOT NULL AS retired,
         extract(epoch FROM now() - signs_from)::float8 AS signing_for
       FROM signing_keys WHERE ${NOT_WITHDRAWN} ORDER BY signs_from DESC, id`,
    );
    return rows.flatMap((row) => {
      const pair = this.open(row);
      if (!pair) return [];
      return [{ ...pair, secretId: row.secret_id, retired: row.retired, signingForSeconds: row.signing_for }];
    });
  }

  /** Makes a key that signs from `signsInSeconds` on. @returns its id. */
  async create(on: Queryable, algorithm: SigningAlgorithm, signsInSeconds: number): Promise<string> {
    const id = randomBytes(12).toString('base64url');
    const [secret] = this.config.secrets;
    const privateKey = await generatePrivateKey(algorithm);
    await on.query(
      `INSERT INTO signing_keys (id, algorithm, encrypted_private_key, secret_id, signs_from)
       VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))`,
      [id, algorithm, encryptPrivateKey(secret, { id, algorithm }, privateKey), secret.id, signsInSeconds],
    );
    return id;
  }

  /** Retires keys: they sign no more, and are withdrawn after so many seconds. */
  async retire(on: Queryable, ids: readonly string[], withdrawAfterSeconds: number): Promise<void> {
    await on.query(
      `UPDATE signing_keys SET retired_at = now(), withdrawn_at = now() + make_interval(secs => $2)
       WHERE id = ANY($1) AND retired_at IS NULL AND ${NOT_WITHDRAWN}`,
      [ids, withdrawAfterSeconds],
    );
  }

  /**
   * Withdraws every other key at once: nothing that they signed is accepted any more. Their private halves are destroyed, so
   * that no later change of a row can bring one back. @returns the ids.
   */
  async withdrawAllBut(on: Queryable, id: string): Promise<string[]> {
    const rows = await on.query<{ id: string }>(
      `UPDATE signing_keys SET withdrawn_at = now(), retired_at = coalesce(retired_at, now()), encrypted_private_key = ''
       WHERE id <> $1 AND ${NOT_WITHDRAWN} RETURNING id`,
      [id],
    );
    return rows.map((row) => row.id);
  }

  /** Encrypts a key anew under the first secret, so that an older one can be taken away. */
  async encryptAnew(on: Queryable, key: HeldKey): Promise<void> {
    const [secret] = this.config.secrets;
    await on.query(
      'UPDATE signing_keys SET encrypted_private_key = $2, secret_id = $3 WHERE id = $1 AND secret_id = $4',
      [key.id, encryptPrivateKey(secret, key, key.privateKey), secret.id, key.secretId],
    );
  }

  /** All keys there ever were with their times, the newest to sign first. */
  async list(): Promise<SigningKeyInfo[]> {
    return this.database.query<SigningKeyInfo>(
      `SELECT id, algorithm, created_at AS "createdAt", signs_from AS "signsFrom", retired_at AS "retiredAt",
         withdrawn_at AS "withdrawnAt",
         CASE WHEN withdrawn_at <= now() THEN 'withdrawn' WHEN secret_id <> ALL($1) THEN 'unreadable' WHEN retired_at IS NOT NULL THEN 'retired'
              WHEN signs_from > now() THEN 'next' ELSE 'signing' END AS state
       FROM signing_keys ORDER BY signs_from DESC, id`,
      [this.config.secrets.map((secret) => secret.id)],
    );
  }

  private open({ id, algorithm, encrypted_private_key: encrypted }: KeyRow): SigningKeyPair | null {
    const known = SIGNING_ALGORITHMS.find((name) => name === algorithm);
    if (!known) return null;
    for (const secret of this.config.secrets) {
      try {
        const privateKey = decryptPrivateKey(secret, { id, algorithm }, encrypted);
        return { id, algorithm: known, privateKey, publicKey: createPublicKey(privateKey) };
      } catch {
        // Another secret may open it.
      }
    }
    return null;
  }
}
