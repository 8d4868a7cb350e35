import { randomFillSync } from 'node:crypto';

const ID_BYTES = 8;
const INBOUND = /^[A-Za-z0-9_-]{8,64}$/;

/** Random bytes for 512 ids: asking the system for 8 bytes at a time would cost more than the rest of a small request. */
const pool = Buffer.alloc(ID_BYTES * 512);
let used = pool.length;

/** A new request id: 64 random bits as 16 hex digits. Unique enough to find a line in a log, and not guessable from another. */
export function newRequestId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const start = used;
  used += ID_BYTES;
  return pool.toString('hex', start, used);
}

/** The id that a trusted proxy gave the request in `X-Request-Id`, when it is one that is safe to log and to send back. */
export function inboundRequestId(header: string | string[] | undefined): string | null {
  return typeof header === 'string' && INBOUND.test(header) ? header : null;
}
