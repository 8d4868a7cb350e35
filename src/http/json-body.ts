import { Problem } from './problem.js';

const MAX_DEPTH = 32;
const MAX_KEYS = 100;

/** Names that reach an object's prototype when somebody copies carelessly. None of our fields has one. */
const DANGEROUS_NAMES = new Set(['__proto__', 'constructor', 'prototype']);
/** U+0000, which PostgreSQL cannot store, and half a surrogate pair, which is no character at all. */
const FORBIDDEN = /[\0\p{Surrogate}]/u;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Reads JSON (RFC 8259) as strictly as I-JSON (RFC 7493) asks: no duplicate names, no unpaired surrogates; and no U+0000.
 * At most 32 levels and 100 names in all.
 * @throws Problem `malformed_body`
 */
export function parseJson(text: string): unknown {
  const names = countNames(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message of a SyntaxError quotes the body, so it goes nowhere.
    throw malformed('not valid JSON');
  }
  // Only an escape can bring a forbidden character in: raw ones do not pass UTF-8 or JSON.
  const found = { names: 0, mayHoldForbidden: text.includes('\\u') };
  inspect(value, found);
  if (found.names !== names) throw malformed('a name appears twice in one object');
  return value;
}

/**
 * One pass over the text, before anything is built from it: how many members its objects have, judged by the colons outside of
 * strings. An object that was parsed has fewer where a name came twice.
 */
function countNames(text: string): number {
  let depth = 0;
  let names = 0;
  for (let i = 0; i < text.length; i += 1) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(text, i + 1);
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth += 1;
        if (depth > MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH} levels`);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth -= 1;
        break;
      case 0x3a: // :
        names += 1;
        if (names > MAX_KEYS) throw malformed(`more than ${MAX_KEYS} names`);
        break;
    }
  }
  return names;
}

/** The index of the quote that closes the string whose first character is at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let i = start; i < text.length; i += 1) {
    const character = text.charCodeAt(i);
    if (character === BACKSLASH) i += 1;
    else if (character === QUOTE) return i;
  }
  return text.length;
}

function inspect(value: unknown, found: { names: number; readonly mayHoldForbidden: boolean }): void {
  if (typeof value === 'string') {
    if (found.mayHoldForbidden && FORBIDDEN.test(value)) throw malformed('a character that is not allowed');
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) {
    for (const name of Object.keys(value)) {
      if (DANGEROUS_NAMES.has(name)) throw malformed('a name that is not allowed');
      found.names += 1;
      inspect(name, found);
    }
  }
  const parts: unknown[] = Object.values(value);
  for (const part of parts) inspect(part, found);
}

function malformed(detail: string): Problem {
  return new Problem('malformed_body', { detail });
}
