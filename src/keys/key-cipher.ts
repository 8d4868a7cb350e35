import { type KeyObject, createCipheriv, createDecipheriv, createPrivateKey, randomBytes } from 'node:crypto';
import type { AppSecret } from '../config/app-config.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a private key is bound to: under another id, or for another algorithm, its ciphertext does not open. */
export interface KeyLabel {
  /** The `kid`. */
  readonly id: string;
  /** The JWS algorithm that it signs with. */
  readonly algorithm: string;
}

/**
 * Encrypts a private key for the database: AES-256-GCM (NIST SP 800-38D) under a key derived from the application secret, with
 * the key id and the algorithm as associated data, so that rows cannot be swapped. Layout: nonce, tag, ciphertext of the PKCS #8 DER.
 */
export function encryptPrivateKey(secret: AppSecret, label: KeyLabel, privateKey: KeyObject): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', encryptionKey(secret), nonce).setAAD(associatedData(label));
  const ciphertext = Buffer.concat([
    cipher.update(privateKey.export({ type: 'pkcs8', format: 'der' })),
    cipher.final(),
  ]);
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
}

/** Reverses {@link encryptPrivateKey}. @throws when the secret, the label or a byte is not the one that it was made with. */
export function decryptPrivateKey(secret: AppSecret, label: KeyLabel, encrypted: Buffer): KeyObject {
  const nonce = encrypted.subarray(0, NONCE_BYTES);
  const tag = encrypted.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', encryptionKey(secret), nonce, { authTagLength: TAG_BYTES })
    .setAAD(associatedData(label))
    .setAuthTag(tag);
  const der = Buffer.concat([decipher.update(encrypted.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

/** Neither part can hold a space, so no two labels read the same. */
function associatedData({ id, algorithm }: KeyLabel): Buffer {
  return Buffer.from(`${algorithm} ${id}`);
}

function encryptionKey(secret: AppSecret): Buffer {
  return secret.derive('signing-keys');
}
