import type { Parser } from './variable.js';

/**
 * A value as a problem line may show it: quoted, on one line. Whatever may be a secret in the wrong place is
 * only counted: the shortest APP_SECRET entry has 43 characters, and an address with `@` may hold a password.
 */
export function shown(text: string): string {
  return text.length <= 40 && /^[\x20-\x7e]*$/.test(text) && !text.includes('@')
    ? JSON.stringify(text)
    : `a value of ${text.length} characters`;
}

/** One of a few words, in exactly this spelling. */
export const choice =
  <const T extends string>(...allowed: readonly T[]): Parser<T> =>
  (text, report) => {
    const found = allowed.find((word) => word === text);
    if (found === undefined) report(`${shown(text)} is not allowed; allowed: ${allowed.join(', ')}`);
    return found;
  };

/** `true` or `false`. */
export const flag: Parser<boolean> = (text, report) => choice('true', 'false')(text, report) === 'true';

/** A whole number in decimal digits, from `minimum` to `maximum`. */
export const integer =
  (minimum: number, maximum: number): Parser<number> =>
  (text, report) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    report(`${shown(text)} is not allowed; allowed: a whole number from ${minimum} to ${maximum}`);
    return undefined;
  };

/** Entries between commas, each trimmed; an empty one is a problem, since it hides a mistake. */
export const listOf =
  <T>(parseEntry: Parser<T>): Parser<readonly T[]> =>
  (text, report) => {
    const entries = text.split(',').map((entry) => entry.trim());
    const values = entries.map((entry, index) => {
      const place = entries.length > 1 ? `entry ${index + 1}: ` : '';
      if (entry !== '') return parseEntry(entry, (problem) => report(place + problem));
      report(`${place}is empty; allowed: values with one comma between them`);
      return undefined;
    });
    return values.filter((value) => value !== undefined);
  };

/** `iss` and `aud` of tokens: printable ASCII without spaces, at most 255 characters. */
export const tokenName: Parser<string> = (text, report) => {
  if (!/^[\x21-\x7e]{1,255}$/.test(text))
    report(`${shown(text)} is not allowed; allowed: 1 to 255 printable ASCII characters without spaces`);
  return text;
};
