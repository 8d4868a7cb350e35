import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

const directory = process.env.BENCH_REQUESTS_DIRECTORY;

/** What the benchmark hands to a script that fills a contender's database. */
export const seeding = {
  databaseUrl: process.env.BENCH_DATABASE_URL,
  secret: process.env.BENCH_SECRET,
  /** How many users, each with a session. */
  count: Number(process.env.BENCH_COUNT),
};

/** Keeps requests in a file for the load process to send, and gives its path. */
export function keepRequests(name, requests) {
  const file = join(directory, `${name}.json`);
  writeFileSync(file, JSON.stringify(requests));
  return file;
}

/** Runs `work` with a connection, then lets PostgreSQL take stock and write back, so that neither happens while we measure. */
export async function fill(work) {
  const client = new pg.Client({ connectionString: seeding.databaseUrl });
  await client.connect();
  const result = await work(client);
  await client.query('VACUUM ANALYZE');
  await client.query('CHECKPOINT').catch(() => undefined); // not everybody may
  await client.end();
  return result;
}

/** Tells the benchmark the files that were made, and ends. */
export function finish(files) {
  process.send({ done: true, files }, () => process.exit());
}
