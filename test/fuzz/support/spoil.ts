import fc from 'fast-check';

/** One thing that is done to a good token or cookie. `at` is a place, taken modulo what there is. */
export interface Spoiling {
  readonly how: keyof typeof WAYS;
  readonly at: number;
  readonly text: string;
}

const ALGORITHMS = ['none', 'None', 'HS256', 'RS256', 'ES384', 'PS256', '', 'ES256 '];
const CLAIMS = [
  { exp: 9_999_999_999 },
  { exp: -1 },
  { exp: '9999999999' },
  { sub: '' },
  { sub: null },
  { roles: ['admin'] },
  { roles: 'admin' },
  { sid: '../..' },
  { iat: 1e308 },
  { aud: ['*'] },
  { iss: '' },
];

const WAYS = {
  /** Another character in the place of one: a bit or more of the value. */
  flip: (value: string, at: number) =>
    replaceAt(value, at, String.fromCharCode(value.charCodeAt(at % value.length) ^ (1 << (at % 7)))),
  put: (value: string, at: number, text: string) => replaceAt(value, at, text),
  cut: (value: string, at: number) => value.slice(0, at % value.length),
  cutStart: (value: string, at: number) => value.slice(1 + (at % value.length)),
  insert: (value: string, at: number, text: string) =>
    value.slice(0, at % value.length) + text + value.slice(at % value.length),
  append: (value: string, _: number, text: string) => value + text,
  prepend: (value: string, _: number, text: string) => text + value,
  double: (value: string) => value + value,
  quote: (value: string) => `"${value}"`,
  encode: (value: string) => encodeURIComponent(value),
  encodeAll: (value: string) => [...value].map((char) => `%${char.charCodeAt(0).toString(16)}`).join(''),
  decode: (value: string) => decodeURIComponent(value),
  capitals: (value: string) => value.toUpperCase(),
  swapParts: (value: string) => value.split('.').reverse().join('.'),
  dropPart: (value: string, at: number) =>
    value
      .split('.')
      .filter((_, i, parts) => i !== at % parts.length)
      .join('.'),
  algorithm: (value: string, at: number) =>
    withPart(value, 0, (header) => ({ ...header, alg: ALGORITHMS[at % ALGORITHMS.length] })),
  header: (value: string, at: number, text: string) =>
    withPart(value, 0, (header) => ({ ...header, [['kid', 'typ', 'jku', 'crit'][at % 4] ?? '']: text })),
  claims: (value: string, at: number) =>
    withPart(value, 1, (claims) => ({ ...claims, ...CLAIMS[at % CLAIMS.length] })),
  long: (value: string, at: number) => value.padEnd(at % 12_000, 'A'),
  replace: (_value: string, _at: number, text: string) => text,
};

/** Does it. */
export function spoil(value: string, { how, at, text }: Spoiling): string {
  return WAYS[how](value, at, text);
}

/** Every way to spoil a value, with these texts to put in. */
export function spoilings(texts: fc.Arbitrary<string>): fc.Arbitrary<Spoiling> {
  return fc.record({
    how: fc.constantFrom(...(Object.keys(WAYS) as (keyof typeof WAYS)[])),
    at: fc.nat(100_000),
    text: texts,
  });
}

function replaceAt(value: string, at: number, text: string): string {
  const index = at % value.length;
  return value.slice(0, index) + text + value.slice(index + 1);
}

/** A token whose part says something else, and is signed as before. What is no token stays as it is. */
function withPart(value: string, index: number, change: (part: object) => object): string {
  const parts = value.split('.');
  try {
    const part: unknown = JSON.parse(Buffer.from(parts[index] ?? '', 'base64url').toString());
    if (typeof part !== 'object' || part === null) return value;
    parts[index] = Buffer.from(JSON.stringify(change(part))).toString('base64url');
  } catch {
    return `${value}.`;
  }
  return parts.join('.');
}
