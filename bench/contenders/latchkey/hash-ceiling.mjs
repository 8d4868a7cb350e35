// How many logins a second the hash alone allows: argon2 of the same build and parameters, as many at a time, and nothing else. Takes
// { seconds }, answers { perSecond, concurrency }.
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { PasswordHasher } from '../../../dist/src/passwords/password-hasher.js';
import { HASH_PARAMETERS } from '../../../dist/src/passwords/stored-hash.js';
import { PASSWORD } from '../shared/people.mjs';
import { configuration } from './application.mjs';

const root = createRequire(new URL('../../../package.json', import.meta.url));
const { default: argon2 } = await import(pathToFileURL(root.resolve('argon2')).href);
const { concurrency } = new PasswordHasher(
  configuration({
    databaseUrl: 'postgres://nobody@127.0.0.1/none',
    secret: process.env.BENCH_SECRET,
    mode: 'session',
  }),
);
const stored = await argon2.hash(PASSWORD, { type: argon2.argon2id, ...HASH_PARAMETERS });

async function hashesASecond(limit) {
  let hashes = 0;
  const start = performance.now();
  const end = start + limit * 1000;
  const worker = async () => {
    while (performance.now() < end) {
      if (!(await argon2.verify(stored, PASSWORD))) throw new Error('argon2 does not know its own hash');
      hashes += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return (hashes / (performance.now() - start)) * 1000;
}

process.on('disconnect', () => process.exit());
process.on('message', async ({ seconds }) => {
  process.send({ perSecond: await hashesASecond(seconds), concurrency });
});
process.send({ ready: true });
