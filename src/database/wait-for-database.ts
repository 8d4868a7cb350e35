import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { Problem } from '../http/problem.js';
import { CONNECTION_SETTINGS } from './connection-settings.js';
import { toApplicationError } from './database-errors.js';
import { errorCode } from './error-code.js';
import type { Log } from './log.js';
import { StartError } from './start-error.js';

/** The oldest PostgreSQL that Latchkey is tested on, as `server_version_num` has it. */
const OLDEST_VERSION = 140_000;
const TRY_LIMIT_MS = 2_000;
const PAUSE_MS = 500;
/** Waiting changes nothing about these: the password, the role or the database is wrong. */
const HOPELESS = new Set(['28000', '28P01', '3D000']);

/** How long {@link waitForDatabase} waits, and whom it tells. */
export interface WaitSettings {
  /** The variable that names this database, for the messages. */
  readonly variable: string;
  readonly seconds: number;
  readonly log: Log;
}

/**
 * Resolves when the database takes connections. Throws a StartError, in one line and without the password, when it
 * does not within that time, refuses us, or is older than PostgreSQL 14.
 */
export async function waitForDatabase(url: string, { variable, seconds, log }: WaitSettings): Promise<void> {
  const until = performance.now() + seconds * 1_000;
  for (let told = 0; ; await delay(PAUSE_MS)) {
    try {
      return checkVersion(await askVersion(url));
    } catch (error) {
      if (error instanceof StartError) throw error;
      const reason = describe(error);
      if (!(toApplicationError(error) instanceof Problem) || HOPELESS.has(errorCode(error))) {
        throw new StartError(`the database refuses the connection: ${reason} (see ${variable})`);
      }
      const left = Math.ceil((until - performance.now()) / 1_000);
      if (left <= 0)
        throw new StartError(`the database was not there within ${seconds} s: ${reason} (see ${variable})`);
      if (performance.now() - told > 5_000 || told === 0) {
        log(`the database is not there yet: ${reason}; trying for another ${left} s`);
        told = performance.now();
      }
    }
  }
}

async function askVersion(url: string): Promise<number> {
  const client = new pg.Client({
    ...CONNECTION_SETTINGS,
    connectionString: url,
    connectionTimeoutMillis: TRY_LIMIT_MS,
    query_timeout: TRY_LIMIT_MS,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ version: string }>(
      "SELECT current_setting('server_version_num') AS version",
    );
    return Number(rows[0]?.version);
  } finally {
    void client.end().catch(() => {}); // a frozen server would never answer it
  }
}

function checkVersion(version: number): void {
  if (version >= OLDEST_VERSION) return;
  throw new StartError(`PostgreSQL ${Math.floor(version / 10_000)} is too old: Latchkey needs 14 or newer`);
}

function describe(error: unknown): string {
  // A host with several addresses fails with all of their errors, and no message of its own.
  if (error instanceof AggregateError && error.message === '') return describe(error.errors[0]);
  return error instanceof Error && error.message !== '' ? error.message : errorCode(error) || String(error);
}
