import { Problem } from './problem.js';

const MAX_FIELDS = 100;

/**
 * Reads `application/x-www-form-urlencoded` (WHATWG URL standard, section 5.1), but strictly: every field once, percent escapes
 * whole and UTF-8. All values are strings.
 * @throws Problem `malformed_body`
 */
export function parseForm(text: string): Record<string, string> {
  const fields = new Map<string, string>();
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals === -1 ? pair : pair.slice(0, equals));
    if (name in Object.prototype || name === 'prototype') throw malformed('a name that is not allowed');
    if (fields.has(name)) throw malformed('a field appears twice');
    if (fields.size === MAX_FIELDS) throw malformed(`more than ${MAX_FIELDS} fields`);
    fields.set(name, equals === -1 ? '' : decode(pair.slice(equals + 1)));
  }
  return Object.fromEntries(fields);
}

function decode(text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw malformed('a percent escape that is not UTF-8');
  }
  if (decoded.includes('\0')) throw malformed('a character that is not allowed');
  return decoded;
}

function malformed(detail: string): Problem {
  return new Problem('malformed_body', { detail });
}
