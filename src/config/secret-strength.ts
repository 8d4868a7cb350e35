/** Words of example files, which get copied into production. Random base64 holds one by chance once in 10^7 or less. */
const EXAMPLE_WORDS = /change[-_]?(me|this)|replace[-_]?me|example|password|secret|insecure/i;

/** A random list of 32 bytes has about 30 different ones; fewer than 16 never happen. */
const FEWEST_DIFFERENT_BYTES = 16;

const repeatsItself = (bytes: Buffer): boolean =>
  Array.from({ length: Math.floor(bytes.length / 2) }, (_, index) => index + 1).some((period) =>
    bytes.subarray(period).equals(bytes.subarray(0, -period)),
  );

const countsUpOrDown = (bytes: Buffer): boolean => {
  const steps = bytes.subarray(1).map((byte, index) => byte - (bytes[index] ?? 0));
  return steps.every((step) => step === steps[0]);
};

const isText = (bytes: Buffer): boolean => bytes.every((byte) => byte >= 0x20 && byte < 0x7f);

/**
 * Why a secret was not made by a random generator, or null. Each test passes real random bytes with a chance of
 * failure far below one in a million.
 * @param text as written in the setting
 * @param bytes what it decodes to, at least 32
 */
export function weaknessOf(text: string, bytes: Buffer): string | null {
  if (new Set(bytes).size === 1) return 'is one byte repeated';
  if (repeatsItself(bytes)) return 'is a short piece repeated';
  if (countsUpOrDown(bytes)) return 'is a simple sequence';
  if (new Set(bytes).size < FEWEST_DIFFERENT_BYTES) return 'has too few different bytes to be random';
  if (EXAMPLE_WORDS.test(text) || EXAMPLE_WORDS.test(bytes.toString('latin1')))
    return 'looks like an example';
  const isHex = /^[0-9a-f]+$/i.test(text);
  return isText(bytes) || (!isHex && !/[A-Z]/.test(text)) ? 'is text, not random bytes' : null;
}
