import { domainToASCII, domainToUnicode } from 'node:url';
import { z } from 'zod';

/** An email address in the one form that is stored, compared, counted and sent mail to. Only {@link canonicalEmail} makes one. */
export type CanonicalEmail = string & { readonly __brand: 'CanonicalEmail' };

/** Octets of a whole address (RFC 5321, 4.5.3.1.3, erratum 1690). */
const MAX_LENGTH = 254;
/** Octets before the `@` (RFC 5321, 4.5.3.1.1). */
const MAX_LOCAL_LENGTH = 64;
/**
 * UTF-16 units of the input. Nothing longer can become an address of 254 octets: composing turns at most four code points
 * (eight units) into one, and that one costs an octet in each of the few labels that fit. Bounds all work done below.
 */
const MAX_INPUT_LENGTH = 1024;

/**
 * White space, controls, format characters, unpaired surrogates, private and unassigned code points, everything that is
 * ignored when displayed (variation selectors, fillers), and `%`. Refused rather than removed: `domainToASCII` drops
 * U+200B and decodes `%61`, so that two different inputs would become one address.
 */
const REFUSED = /[\p{White_Space}\p{C}\p{Default_Ignorable_Code_Point}%]/u;
/** RFC 5322 dot-atom without `%`, which old mailers read as a source route. */
const DOT_ATOM = /^[a-z0-9!#$&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$&'*+/=?^_`{|}~-]+)*$/i;
/** ASCII that has no business in a domain: the URL parser behind `domainToASCII` would cut `a/b.com` down to `a`. */
const NOT_IN_DOMAIN = /[^a-z0-9.\-\u0080-\uffff]/i;
/** A domain that is its own ASCII form: nothing to map, and an end that no URL parser takes for a number. */
const PLAIN_DOMAIN = /^(?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*$/;
/** A label of letters, digits and inner hyphens (RFC 1123, 2.1). */
const LDH_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The canonical form of an email address (contract 8): NFKC, an ASCII dot-atom before the `@`, the domain in its ASCII
 * form by UTS 46, all in lower case; null when it is not an address that Latchkey takes. One account per canonical form,
 * so full-width letters or the Kelvin sign reach the account that their plain spelling reaches, and mail goes only to the
 * plain spelling. `+tag` stays. Idempotent; never throws.
 */
export function canonicalEmail(input: string): CanonicalEmail | null {
  if (input.length > MAX_INPUT_LENGTH || REFUSED.test(input)) return null;
  const address = input.normalize('NFKC');
  const at = address.indexOf('@');
  if (at < 1 || at > MAX_LOCAL_LENGTH) return null;
  const local = address.slice(0, at);
  if (!DOT_ATOM.test(local)) return null;
  const domain = canonicalDomain(address.slice(at + 1));
  if (domain === null || at + 1 + domain.length > MAX_LENGTH) return null;
  return `${local.toLowerCase()}@${domain}` as CanonicalEmail;
}

function canonicalDomain(input: string): string | null {
  if (NOT_IN_DOMAIN.test(input)) return null;
  // UTS 46 mapped U+1E9E to `ss` until Unicode 15.1 and to U+00DF since: Node 20 and 24 would name two accounts.
  const isPlain = PLAIN_DOMAIN.test(input) && !input.includes('xn--');
  const ascii = isPlain ? input : domainToASCII(input.replaceAll('\u1e9e', '\u00df'));
  const labels = ascii.split('.');
  if (labels.length < 2 || !labels.every(isLabel) || /^\d+$/.test(labels.at(-1) ?? '')) return null;
  return ascii;
}

function isLabel(label: string): boolean {
  if (!LDH_LABEL.test(label)) return false;
  if (!label.startsWith('xn--')) return true;
  // Newer Nodes pass a punycode label on unread when the whole domain is ASCII: only one that stands for something, in
  // the spelling that this something has, is a label.
  const unicode = domainToUnicode(label);
  return unicode !== label && domainToASCII(unicode) === label;
}

/**
 * An email address in a body: refuses what {@link canonicalEmail} refuses and hands on the canonical form. A transform, so
 * `z.toJSONSchema` takes it with `io: 'input'` only; use it for bodies, never for answers.
 */
export const emailField = z
  .string()
  .meta({ format: 'email', maxLength: MAX_LENGTH })
  .transform((input, context) => {
    const email = canonicalEmail(input);
    if (email !== null) return email;
    context.addIssue({ code: 'custom', message: 'must be an email address such as name@example.com' });
    return z.NEVER;
  });
