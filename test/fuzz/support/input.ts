import type { Known } from './holder.js';
import { type Spoiling, spoil } from './spoil.js';

/** A request as it was generated, with names in the place of what is known only when it is sent. */
export interface Input {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Text is sent as UTF-8. */
  readonly body: string | Uint8Array | null;
  /** Makes credentials bad: what is done to which of them. */
  readonly spoiled: { readonly name: Known; readonly spoiling: Spoiling } | null;
  /** The documented route that has to answer, `POST /auth/login`; null when path or method were changed. */
  readonly route: string | null;
}

const NAME = /⟨([^⟨⟩]+?)(?::(\d+))?⟩/g;

/** The bytes of a request: `⟨access⟩` is what the holder has by that name, `⟨x:900⟩` 900 times the letter. */
export function bytesOf(
  input: Input,
  known: Partial<Record<Known, string>>,
): { readonly head: Buffer; readonly body: Buffer } {
  const fill = (text: string): string =>
    text.replaceAll(NAME, (whole, name: string, count: string | undefined) => {
      if (count !== undefined) return name.repeat(Number(count));
      const value = Reflect.get(known, name) as string | undefined;
      if (value === undefined) return whole;
      return input.spoiled?.name === name ? spoil(value, input.spoiled.spoiling) : value;
    });
  const body =
    input.body === null
      ? Buffer.alloc(0)
      : typeof input.body === 'string'
        ? Buffer.from(fill(input.body))
        : Buffer.from(input.body);
  const length = input.body === null ? [] : [`Content-Length: ${body.length}`];
  const lines = [
    `${input.method} ${withoutBreaks(fill(input.target))} HTTP/1.1`,
    'Host: localhost',
    ...input.headers.map(([name, value]) => withoutBreaks(`${name}: ${fill(value)}`)),
    ...length,
  ];
  return { head: bytes(`${lines.join('\r\n')}\r\n\r\n`), body };
}

/** A line feed would make another header, or the end of them: then it is another request that is tried, and two may be answered. */
function withoutBreaks(text: string): string {
  return text.replaceAll(/\n/g, '\v');
}

/** Bytes above 127 as they are, and what is no byte as UTF-8. */
function bytes(text: string): Buffer {
  return Buffer.from(text, /^[\0-\xff]*$/.test(text) ? 'latin1' : 'utf8');
}
