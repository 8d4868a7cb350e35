/**
 * How often a header was sent. Node joins or drops repeated headers in `request.headers`; `rawHeaders` has them all.
 * @param rawHeaders Names and values in turn, as in `IncomingMessage.rawHeaders`.
 * @param name In lower case.
 */
export function headerCount(rawHeaders: readonly string[], name: string): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (isNamed(rawHeaders[i], name)) count += 1;
  return count;
}

/** Every value sent for a header, in order and as sent. The parameters are those of {@link headerCount}. */
export function headerValues(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (isNamed(rawHeaders[i], name)) values.push(rawHeaders[i + 1] ?? '');
  }
  return values;
}

function isNamed(candidate: string | undefined, name: string): boolean {
  return candidate?.length === name.length && (candidate === name || candidate.toLowerCase() === name);
}
