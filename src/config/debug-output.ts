/** What express-session calls itself. It prints whole cookies. */
const TALKS_OF_COOKIES = 'express-session';

/**
 * What is wrong with `DEBUG` in production; null when nothing is. It is no variable of ours: packages read it while they load, and
 * then print what they do to stderr, past the log and what that masks.
 * @param value names with `*` for any part of one, separated by commas or white space; with a `-` before it a name is taken out again
 */
export function debugProblem(value = ''): string | null {
  const names = value.split(/[\s,]+/);
  const isOn =
    names.some((name) => stands(name)) && !names.some((name) => name[0] === '-' && stands(name.slice(1)));
  return isOn
    ? 'makes packages print session cookies, which is refused in production; allowed: leave it out'
    : null;
}

function stands(pattern: string): boolean {
  const source = pattern.split('*').map((part) => part.replaceAll(/[^\w-]/g, '\\$&'));
  return new RegExp(`^${source.join('.*')}$`).test(TALKS_OF_COOKIES);
}
