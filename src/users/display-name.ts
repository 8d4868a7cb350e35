import { z } from 'zod';

/** Code points of a name in NFC (contract 3). */
const MAX_CODE_POINTS = 100;
/** UTF-16 units of the input: NFC makes at most four code points into one, of two units each. Spares us normalising 16 KB. */
const MAX_INPUT_LENGTH = MAX_CODE_POINTS * 4 * 2;

/**
 * Controls (NUL, line breaks, terminal escapes), unpaired surrogates and the Unicode line separators.
 */
const CONTROLS = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;
/**
 * Explicit bidirectional embeddings, overrides and isolates (UAX 9): they reach past the name and reorder the text around
 * it, which lets one user's name rewrite a line of an admin's screen. The marks that real names need (LRM, RLM, ALM, ZWJ,
 * ZWNJ) stay.
 */
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/u;
/** A character that leaves something on the screen. */
const VISIBLE = /[^\p{White_Space}\p{Cf}\p{Default_Ignorable_Code_Point}]/u;

/**
 * A display name in a body: 1 to 100 code points in NFC, kept as sent otherwise (no trimming, case stays). For
 * `PATCH /auth/me` use `nameField.nullable()`: null clears. A transform, so `z.toJSONSchema` takes it with `io: 'input'` only.
 */
export const nameField = z
  .string()
  .meta({ minLength: 1, maxLength: MAX_CODE_POINTS })
  .transform((input, context) => {
    const problem = nameProblem(input);
    if (problem === null) return input.normalize('NFC');
    context.addIssue({ code: 'custom', message: problem });
    return z.NEVER;
  });

function nameProblem(input: string): string | null {
  if (input.length > MAX_INPUT_LENGTH || [...input.normalize('NFC')].length > MAX_CODE_POINTS) {
    return `must have at most ${MAX_CODE_POINTS} characters`;
  }
  if (CONTROLS.test(input)) return 'must not contain control characters';
  if (REORDERING.test(input)) return 'must not contain characters that change the direction of text';
  if (!VISIBLE.test(input)) return 'must have at least one visible character';
  return null;
}
