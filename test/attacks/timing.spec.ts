import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { PasswordHasher } from '../../src/passwords/password-hasher.js';
import { median } from '../support/architecture-rules.js';
import { TestApp } from '../support/test-app.js';
import { PASSWORD, newEmail } from '../support/test-client.js';
import { ONE_IN_A_HUNDRED, signedRankZ } from './signed-rank.js';

const PAIRS = 200;
const ROUNDS = 3;
/**
 * Milliseconds that do not count. To find an account there is a row to read and to remember, some 0.1 ms; a hash varies by more from
 * one time to the next, and the limits leave nobody the thousands of tries that it takes to see it over a network.
 */
const MARGIN = 0.5;

let app: TestApp;
beforeAll(async () => {
  // What is measured comes before any strategy: one mode speaks for all.
  app = await TestApp.start({ mode: 'session', env: { LOG_LEVEL: 'info' } });
});
afterAll(() => app.close());

/**
 * A pair is an address with an account and one without, each tried once, in an order drawn by lot: so when nothing differs, either is
 * as likely to be the slower one, whatever else the machine does meanwhile, and |z| > 2.576 comes one time in a hundred (p < 0.01).
 * It fails when that comes in three rounds running, each with new addresses, in the same direction, with the margin taken off: by
 * chance once in four million runs at most (0.01 x 0.005 x 0.005). What it sees beyond the margin, nine times in ten, is half of what
 * it prints as the spread of the pairs (docs/security).
 */
test(`EN02 n = ${PAIRS}: the time of a refusal does not tell whether the address has an account (p > 0.01)`, async () => {
  const text: string[] = [];
  const slower = new Set<string | null>();
  do {
    const differences = await round(await accounts());
    const middle = median(differences);
    const spread = median(differences.map((difference) => Math.abs(difference - middle)));
    const z = signedRankZ(differences);
    text.push(
      `z ${z.toFixed(2)}, median ${middle.toFixed(2)} ms, half of them within ${spread.toFixed(2)} ms of it`,
    );
    slower.add(slowerOf(differences));
  } while (text.length < ROUNDS && isTelling(slower));
  process.stdout.write(`\nunknown minus known address, ${PAIRS} pairs: ${text.join('; ')}\n`);
  expect([text, isTelling(slower)]).toEqual([text, false]);
}, 900_000);

/** Whether every round so far found a difference, and the same. */
function isTelling(slower: ReadonlySet<string | null>): boolean {
  return slower.size === 1 && !slower.has(null);
}

/** Which of the two is slower by more than the margin (p < 0.01), if one is. */
function slowerOf(differences: readonly number[]): 'unknown' | 'known' | null {
  if (signedRankZ(differences.map((difference) => difference - MARGIN)) > ONE_IN_A_HUNDRED) return 'unknown';
  if (signedRankZ(differences.map((difference) => difference + MARGIN)) < -ONE_IN_A_HUNDRED) return 'known';
  return null;
}

/** Addresses of new users, written at once: a hash for each would take as long as the measurement. */
async function accounts(): Promise<string[]> {
  const passwordHash = await app.get(PasswordHasher).hash(PASSWORD);
  const emails = Array.from({ length: PAIRS }, newEmail);
  await app.rows(
    'INSERT INTO users (id, email, password_hash) SELECT unnest($1::uuid[]), unnest($2::text[]), $3',
    [emails.map(() => uuidv7()), emails, passwordHash],
  );
  return emails;
}

/** Milliseconds by which the answer for an address without an account took longer than for one with an account, pair by pair. */
async function round(known: readonly string[]): Promise<number[]> {
  await refusal(newEmail());
  const differences: number[] = [];
  for (const email of known) {
    const unknown = newEmail();
    if (Math.random() < 0.5) differences.push((await refusal(unknown)) - (await refusal(email)));
    else differences.push(-(await refusal(email)) + (await refusal(unknown)));
  }
  return differences;
}

async function refusal(email: string): Promise<number> {
  const client = app.client();
  client.email = email;
  const begun = performance.now();
  const { status } = await client.login({ password: `wrong ${PASSWORD}` });
  const milliseconds = performance.now() - begun;
  expect(status).toBe(401);
  return milliseconds;
}
