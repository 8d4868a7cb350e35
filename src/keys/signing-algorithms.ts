import { type KeyObject, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

/** The JWS algorithms that `JWT_ALGORITHM` may name (RFC 7518). All are asymmetric: who verifies cannot sign. */
export const SIGNING_ALGORITHMS = ['ES256', 'RS256', 'PS256'] as const;

/** One of {@link SIGNING_ALGORITHMS}. */
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** Makes a new private key for the algorithm: P-256, or RSA of 3072 bits (NIST SP 800-57: 128-bit strength). */
export async function generatePrivateKey(algorithm: SigningAlgorithm): Promise<KeyObject> {
  const { privateKey } =
    algorithm === 'ES256'
      ? await generate('ec', { namedCurve: 'P-256' })
      : await generate('rsa', { modulusLength: 3072 });
  return privateKey;
}
