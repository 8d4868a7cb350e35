/*
 * Breach lists hold few entries of 15 characters and more (41 of the 49,233 that we load), yet whoever is asked for 15 and
 * does not care writes one of a few shapes. This file is the rest of the common-password list, by rule instead of by entry.
 * It is not a composition rule: longer passwords, and all that hold one character outside the pattern, are none of its business.
 */

/** Code points. What a person repeats or runs through to get past a minimum length ends here; listed breaches hold little beyond. */
const LONGEST = 32;

/** Orders in which fingers and alphabets run. Also read backwards. */
const TRACKS = [
  'abcdefghijklmnopqrstuvwxyz',
  '01234567890',
  'qwertyuiopasdfghjklzxcvbnm',
  'qwertzuiopasdfghjklyxcvbnm',
  'azertyuiopqsdfghjklmwxcvbn',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p',
  'qazwsxedcrfvtgbyhnujmikolp',
  '1q2w3e4r5t6y7u8i9o0p',
];
const RUNS = TRACKS.flatMap((track) => [track, [...track].reverse().join('')]);
/** Shorter pieces of a track occur in ordinary words. */
const SHORTEST_RUN = 3;

/**
 * What a case-folded password says again and again, the last time possibly cut short: `abc` and `abcabc` for `abcabcabcabcab`.
 * Empty when nothing is repeated.
 */
export function repeatedUnits(folded: string): readonly string[] {
  if (folded.length > LONGEST) return [];
  const period = smallestPeriod(folded);
  const units: string[] = [];
  for (let length = period; length < folded.length; length += period) units.push(folded.slice(0, length));
  return units;
}

/** Whether a case-folded password is nothing but runs: `123456789012345`, `qwertyuiopasdfg`, `111222333444555`, `abcd1234dcba4321`. */
export function isRuns(folded: string): boolean {
  if (folded.length > LONGEST || folded.length < SHORTEST_RUN) return false;
  let from = 0;
  while (from < folded.length) {
    const length = longestRun(folded.slice(from));
    if (length < SHORTEST_RUN) return false;
    from += length;
  }
  return true;
}

function smallestPeriod(text: string): number {
  for (let period = 1; period < text.length; period += 1) {
    if (text.startsWith(text.slice(period))) return period;
  }
  return text.length;
}

/** Length of the longest prefix that repeats one character or goes along a track. */
function longestRun(text: string): number {
  let length = 1;
  while (length < text.length && isRun(text.slice(0, length + 1))) length += 1;
  return length;
}

function isRun(text: string): boolean {
  return RUNS.some((run) => run.includes(text)) || /^([a-z0-9])\1*$/.test(text);
}
