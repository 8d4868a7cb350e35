import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** Any header, any payload: a string goes in as it is. */
export interface Forgery {
  readonly header: object | string;
  readonly payload: object | string | Buffer;
}

/** What is signed: both parts in base64url. */
export function signingInput({ header, payload }: Forgery): string {
  return [header, payload].map((part) => base64url(part)).join('.');
}

/** A JWS with a genuine ES256 signature, whatever its header says. */
export function es256(forgery: Forgery, key: KeyObject): string {
  return signed(forgery, (input) => sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' }));
}

/** RS256, or PS256 with `pss`. */
export function rs256(forgery: Forgery, key: KeyObject, pss = false): string {
  const padding = pss ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : {};
  return signed(forgery, (input) => sign('sha256', input, { key, ...padding }));
}

/** A JWS with an HMAC, under a secret of the forger's choice. */
export function hmac(
  forgery: Forgery,
  secret: string | Buffer,
  digest: 'sha256' | 'sha384' | 'sha512' = 'sha256',
): string {
  return signed(forgery, (input) => createHmac(digest, secret).update(input).digest());
}

/** Both halves of a key of the forger's own. */
export const strangers = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** The parts of a token, read without verifying. */
export function taken(token: string): {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
  signature: string;
} {
  const [header = '', claims = '', signature = ''] = token.split('.');
  const read = (part: string) =>
    JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
  return { header: read(header), claims: read(claims), signature };
}

export function base64url(part: object | string | Buffer): string {
  if (Buffer.isBuffer(part)) return part.toString('base64url');
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}

function signed(forgery: Forgery, make: (input: Buffer) => Buffer): string {
  const input = signingInput(forgery);
  return `${input}.${make(Buffer.from(input)).toString('base64url')}`;
}
