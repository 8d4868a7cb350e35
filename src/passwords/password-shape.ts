import { z } from 'zod';

/** Code points of a password in NFC, at most (contract 8). */
export const PASSWORD_MAX_LENGTH = 128;
/** Bytes of a password in NFC and UTF-8, at most (contract 8). */
export const PASSWORD_MAX_BYTES = 512;
/** UTF-16 units of the input: NFC makes at most four code points into one, of two units each. Spares us normalising 16 KB. */
const MAX_INPUT_LENGTH = PASSWORD_MAX_LENGTH * 4 * 2;

/**
 * The form of a password that is measured, hashed and verified: NFC, as RFC 8265 has it, so that an accent typed on a Mac
 * and on Windows is one password. Nothing else is changed: case, spaces and width all count.
 */
export function normalisePassword(password: string): string {
  return password.normalize('NFC');
}

/** Code points, which is what contract 8 counts. */
export function codePointsOf(text: string): number {
  return [...text].length;
}

/**
 * What makes a string unfit to be hashed at all, as a message for the user, or null. NUL does not survive in PostgreSQL or in C, and unpaired
 * surrogates all become U+FFFD in UTF-8, so that different passwords would share one hash.
 */
export function passwordShapeProblem(password: string): string | null {
  const tooLong = `must have at most ${PASSWORD_MAX_LENGTH} characters and ${PASSWORD_MAX_BYTES} bytes`;
  if (password.length > MAX_INPUT_LENGTH) return tooLong;
  if (/[\0\p{Cs}]/u.test(password)) return 'must not contain NUL characters or unpaired surrogates';
  const normalised = normalisePassword(password);
  const fits =
    codePointsOf(normalised) <= PASSWORD_MAX_LENGTH && Buffer.byteLength(normalised) <= PASSWORD_MAX_BYTES;
  return fits ? null : tooLong;
}

/**
 * A password in a body, at login as at signup: only what no stored password can be is refused. No lower limit, since at login a
 * short password is simply a wrong one. New passwords go through PasswordPolicy as well.
 */
export const passwordShape = z
  .string()
  .meta({ format: 'password', maxLength: PASSWORD_MAX_LENGTH })
  .superRefine((password, context) => {
    const problem = passwordShapeProblem(password);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  });
