import { parseEnv } from 'node:util';

const NAME = /[A-Za-z_][A-Za-z0-9_.-]*/.source;
/** A value in quotes may go over several lines; whatever follows the closing quote is a comment. */
const VALUE = /"[^"]*"[^\n]*|'[^']*'[^\n]*|`[^`]*`[^\n]*|[^\n]*/.source;
const ENTRY = new RegExp(`[ \\t]*(?:#[^\\n]*|${NAME}[ \\t]*=[ \\t]*(?:${VALUE}))?(?:\\n|$)`, 'y');

/**
 * The text without the lines that are neither `NAME=value` nor a comment, and the numbers of these. parseEnv does not
 * report them: according to its version it joins them with the next line or drops the rest of the file.
 */
function withoutBrokenLines(text: string): {
  readonly kept: string;
  readonly brokenLines: readonly number[];
} {
  const brokenLines: number[] = [];
  let kept = '';
  let position = 0;
  while (position < text.length) {
    ENTRY.lastIndex = position;
    const [entry] = ENTRY.exec(text) ?? [];
    if (entry === undefined) {
      brokenLines.push(text.slice(0, position).split('\n').length);
      const end = text.indexOf('\n', position);
      position = end === -1 ? text.length : end + 1;
    } else {
      kept += entry;
      position += entry.length;
    }
  }
  return { kept, brokenLines };
}

/** Node 24 reads a value of blanks alone as the next line, Node 20 keeps a second blank after `export` in the name. */
const evened = (text: string): string =>
  text
    .replace(/^\uFEFF/, '')
    .replace(/\r\n?/g, '\n')
    .replace(/[ \t]+$/gm, '')
    .replace(/^[ \t]*export[ \t]+/gm, '');

/** The variables of an env file, and the numbers of the lines that could not be understood. */
export function readEnvText(raw: string): {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly brokenLines: readonly number[];
} {
  const { kept, brokenLines } = withoutBrokenLines(evened(raw));
  return { variables: parseEnv(kept), brokenLines };
}
