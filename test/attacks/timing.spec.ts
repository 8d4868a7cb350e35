import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { PasswordHasher } from '../../src/passwords/password-hasher.js';
import { median } from '../support/architecture-rules.js';
import { TestApp } from '../support/test-app.js';
import { PASSWORD, newEmail } from '../support/test-client.js';
import { ONE_IN_A_HUNDRED, signedRankZ } from './signed-rank.js';

const PAIRS = 200;
const ROUNDS = 3;

let app: TestApp;
beforeAll(async () => {
  // What is measured comes before any strategy: one mode speaks for all.
  app = await TestApp.start({ mode: 'session', env: { LOG_LEVEL: 'info' } });
});
afterAll(() => app.close());

/**
 * A pair is an address with an account and one without, each tried once, in an order drawn by lot: so when nothing differs, either is
 * as likely to be the slower one, whatever else the machine does meanwhile, and |z| > 2.576 comes one time in a hundred (p < 0.01).
 * It fails when that comes in three rounds running, each with new addresses, in the same direction: by chance once in four million
 * runs (0.01 x 0.005 x 0.005). What it sees, nine times in ten, is half of what it prints as the spread of the pairs (docs/security).
 */
test(`EN02 n = ${PAIRS}: the time of a refusal does not tell whether the address has an account (p > 0.01)`, async () => {
  const seen: { z: number; milliseconds: number; spread: number }[] = [];
  do {
    const differences = await round(await accounts());
    const milliseconds = median(differences);
    const spread = median(differences.map((difference) => Math.abs(difference - milliseconds)));
    seen.push({ z: signedRankZ(differences), milliseconds, spread });
  } while (seen.length < ROUNDS && allDiffer(seen));
  const text = seen.map(
    ({ z, milliseconds, spread }) =>
      `z ${z.toFixed(2)}, median ${milliseconds.toFixed(2)} ms, half of them within ${spread.toFixed(2)} ms of it`,
  );
  process.stdout.write(`\nunknown minus known address, ${PAIRS} pairs: ${text.join('; ')}\n`);
  expect([text, seen.length === ROUNDS && allDiffer(seen)]).toEqual([text, false]);
}, 900_000);

function allDiffer(seen: readonly { z: number }[]): boolean {
  const signs = new Set(seen.map(({ z }) => Math.sign(z)));
  return signs.size === 1 && seen.every(({ z }) => Math.abs(z) > ONE_IN_A_HUNDRED);
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
