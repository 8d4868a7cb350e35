import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isMadeFor, makeRefreshToken, readRefreshToken } from '../../src/auth/strategies/refresh-token.js';
import type { AppSecret } from '../../src/config/app-config.js';
import type { SessionId } from '../../src/principal/principal.js';

function secret(bytes = randomBytes(32)): AppSecret {
  return {
    id: createHmac('sha256', bytes).digest('hex').slice(0, 8),
    derive: (label, length = 32, salt = Buffer.alloc(0)) =>
      Buffer.from(hkdfSync('sha256', bytes, salt, label, length)),
  };
}

const sessionIds = fc.uuid().map((id) => id as SessionId);
const seeds = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));
const counters = fc.oneof(fc.nat(), fc.constantFrom(0, 1, 2 ** 32, 2 ** 47));
const rows = fc.record({ sessionId: sessionIds, seed: seeds, counter: counters });
const [ours, older, theirs] = [secret(), secret(), secret()];
const made = ({
  sessionId,
  seed,
  counter,
}: {
  sessionId: SessionId;
  seed: Buffer;
  counter: number;
}): string => makeRefreshToken(ours, seed, sessionId, counter);

describe('a refresh token', () => {
  test('has one form, says its session and counter to us alone, and is the same on every node', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const token = made(row);
        expect(token).toMatch(/^lkr_[A-Za-z0-9_-]{72}$/);
        expect(made(row)).toBe(token);
        expect(readRefreshToken([ours], token)).toMatchObject({
          sessionId: row.sessionId,
          counter: row.counter,
          secret: ours,
        });
        expect(readRefreshToken([theirs], token)).toBeNull();
        expect(readRefreshToken([older, ours], token)?.secret).toBe(ours);
      }),
    );
  });

  test('fits its own row and no other', () => {
    fc.assert(
      fc.property(rows, seeds, (row, other) => {
        const token = readRefreshToken([ours], made(row));
        expect(token && isMadeFor(token, row.seed)).toBe(true);
        fc.pre(!other.equals(row.seed));
        expect(token && isMadeFor(token, other)).toBe(false);
      }),
    );
  });

  test('with any bit changed is none of ours, or fits no row', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 0, max: 54 * 8 - 1 }), (row, bit) => {
        const bytes = Buffer.from(made(row).slice(4), 'base64url');
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        const token = readRefreshToken([ours], `lkr_${bytes.toString('base64url')}`);
        expect(token !== null && isMadeFor(token, row.seed)).toBe(false);
        // What comes before MAC2 is refused without asking for the row.
        if (bit < 38 * 8) expect(token).toBeNull();
      }),
    );
  });

  test('is refused in any other spelling of the same bytes, and whatever else is sent', () => {
    fc.assert(
      fc.property(rows, fc.string({ maxLength: 100 }), (row, junk) => {
        const token = made(row);
        for (const other of [
          `${token}=`,
          `${token} `,
          ` ${token}`,
          token.toUpperCase(),
          token.slice(0, -1),
          token.slice(4),
          `lkr_${Buffer.from(token.slice(4), 'base64url').toString('base64')}=`,
          `lkr_${junk}`,
          junk,
        ])
          expect(readRefreshToken([ours], other)).toBeNull();
      }),
    );
  });

  test('the next one of the same session has nothing in common but the session', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const [one, two] = [made(row), made({ ...row, counter: row.counter + 1 })].map((token) =>
          Buffer.from(token.slice(4), 'base64url'),
        );
        expect(one?.subarray(0, 16)).toEqual(two?.subarray(0, 16));
        expect(one?.subarray(22, 38)).not.toEqual(two?.subarray(22, 38));
        expect(one?.subarray(38)).not.toEqual(two?.subarray(38));
      }),
    );
  });

  test('the secret alone, and the row alone, make another one', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const withoutSeed = readRefreshToken(
          [ours],
          makeRefreshToken(ours, randomBytes(16), row.sessionId, row.counter),
        );
        expect(withoutSeed && isMadeFor(withoutSeed, row.seed)).toBe(false);
        const withoutSecret = makeRefreshToken(theirs, row.seed, row.sessionId, row.counter);
        expect(readRefreshToken([ours, older], withoutSecret)).toBeNull();
      }),
    );
  });
});
