import { randomFillSync } from 'node:crypto';

const ID_BYTES = 8;
const INBOUND = /^[A-Za-z0-9_-]{8,64}$/;

/** Digits for 512 ids: asking the system for 8 bytes at a time would cost more than the rest of a small request. */
const pool = Buffer.alloc(ID_BYTES * 512);
let digits = '';
let used = 0;

/** A new request id: 64 random bits as 16 hex digits. Unique enough to find a line in a log, and not guessable from another. */
export function newRequestId(): string {
  if (used === digits.length) {
    digits = randomFillSync(pool).toString('hex');
    used = 0;
  }
  const start = used;
  used += 2 * ID_BYTES;
  return digits.slice(start, used);
}

/** The id that a trusted proxy gave the request in `X-Request-Id`, when it is one that is safe to log and to send back. */
export function inboundRequestId(header: string | string[] | undefined): string | null {
  return typeof header === 'string' && INBOUND.test(header) ? header : null;
}
