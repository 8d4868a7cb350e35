import { randomInt } from 'node:crypto';

/** Letters and digits that nobody takes for another. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
const GROUP = 5;
/** 30 characters of 31: 148 bits. */
const GROUPS = 6;

/** A random password, in groups that can be read out. At least `minLength` characters, and at least 148 bits. */
export function generatePassword(minLength: number): string {
  const groups: string[] = [];
  while (groups.length < GROUPS || groups.join('-').length < minLength) {
    groups.push(Array.from({ length: GROUP }, () => ALPHABET[randomInt(ALPHABET.length)]).join(''));
  }
  return groups.join('-');
}
