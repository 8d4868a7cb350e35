import { createHash, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { listOf } from './scalars.js';
import { weaknessOf } from './secret-strength.js';
import type { AppSecret } from './settings.js';
import type { Parser } from './variable.js';

export const SECRET_ALLOWED =
  'base64, base64url or hex of at least 32 random bytes, or several of those with commas (openssl rand -base64 32 makes one)';

/** Keeps the bytes in a KeyObject, which neither prints nor serialises them. */
class HkdfSecret implements AppSecret {
  readonly id: string;
  readonly #key: KeyObject;
  /** What was derived without a salt, by label and length: some of it is asked for by every sign-in. */
  readonly #derived = new Map<string, Buffer>();

  constructor(bytes: Buffer) {
    this.#key = createSecretKey(bytes);
    this.id = createHash('sha256').update(this.derive('secret id')).digest('hex').slice(0, 8);
  }

  derive(label: string, lengthBytes = 32, salt?: Buffer): Buffer {
    if (salt !== undefined) return this.#hkdf(label, lengthBytes, salt);
    const name = `${label}/${lengthBytes}`;
    let derived = this.#derived.get(name);
    if (derived === undefined) {
      derived = this.#hkdf(label, lengthBytes, Buffer.alloc(0));
      this.#derived.set(name, derived);
    }
    // A copy: whoever gets it may do with it what they like.
    return Buffer.from(derived);
  }

  #hkdf(label: string, lengthBytes: number, salt: Buffer): Buffer {
    // The prefix keeps our labels apart from those of any other program that was given the same secret.
    return Buffer.from(hkdfSync('sha256', this.#key, salt, `latchkey/${label}`, lengthBytes));
  }
}

/** The entries of `APP_SECRET`, and what is weak about them: only production minds that. */
export interface SecretList {
  readonly secrets: readonly [AppSecret, ...AppSecret[]];
  readonly weaknesses: readonly string[];
}

/** Digits of hex only are hex: 48 of them would pass as 36 bytes of base64 and hold only 24. */
function decode(text: string): Buffer | null {
  if (/^[0-9a-f]+$/i.test(text)) return text.length % 2 === 0 ? Buffer.from(text, 'hex') : null;
  const [, digits, padding = ''] = /^([A-Za-z0-9+/]+|[A-Za-z0-9_-]+)(={0,2})$/.exec(text) ?? [];
  if (digits === undefined || digits.length % 4 === 1) return null;
  return padding !== '' && (digits.length + padding.length) % 4 !== 0 ? null : Buffer.from(digits, 'base64');
}

const secretEntry: Parser<{ secret: AppSecret; weakness: string | null }> = (text, report) => {
  const bytes = decode(text);
  if (bytes !== null && bytes.length >= 32)
    return { secret: new HkdfSecret(bytes), weakness: weaknessOf(text, bytes) };
  const why = bytes === null ? 'is not base64, base64url or hex' : `holds only ${bytes.length} bytes`;
  report(`${why}; allowed: ${SECRET_ALLOWED}`);
  return undefined;
};

/** Reads `APP_SECRET`. No problem line repeats any part of it. */
export const secretList: Parser<SecretList> = (text, report) => {
  const entries = listOf(secretEntry)(text, report) ?? [];
  const [first, ...others] = entries.map(({ secret }) => secret);
  if (first === undefined) return undefined;
  const ids = new Set([first, ...others].map(({ id }) => id));
  if (ids.size < entries.length) report('two entries are equal; allowed: each secret once');
  const weaknesses = entries.flatMap(({ weakness }, index) =>
    weakness === null ? [] : [`${entries.length > 1 ? `entry ${index + 1}: ` : ''}${weakness}`],
  );
  return { secrets: [first, ...others], weaknesses };
};
