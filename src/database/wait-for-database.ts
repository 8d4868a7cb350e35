import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { Problem } from '../http/problem.js';
import { CONNECTION_SETTINGS } from './connection-settings.js';
import { toApplicationError } from './database-errors.js';
import { errorCode, errorField } from './error-code.js';
import type { Log } from './log.js';
import { StartError } from './start-error.js';

/** The oldest PostgreSQL that Latchkey is tested on, as `server_version_num` has it. */
const OLDEST_VERSION = 140_000;
const TRY_LIMIT_MS = 2_000;
const PAUSE_MS = 500;
const REMIND_MS = 5_000;
/** The role, its password or the database is wrong: time cures that only where somebody is still setting the server up. */
const REFUSALS = new Set(['28000', '28P01', '3D000']);
const REFUSAL_LIMIT_MS = 5_000;

/** How long {@link waitForDatabase} waits, and whom it tells. */
export interface WaitSettings {
  /** The variable that names this database, for the messages. */
  readonly variable: string;
  readonly seconds: number;
  readonly log: Log;
}

/**
 * Resolves when the database takes connections. Throws a StartError, in one line and without the password, when it
 * does not within that time, refuses us for 5 s, or is older than PostgreSQL 14.
 */
export async function waitForDatabase(url: string, { variable, seconds, log }: WaitSettings): Promise<void> {
  const until = performance.now() + seconds * 1_000;
  let refusedUntil = Infinity;
  for (let told = -Infinity; ; await delay(PAUSE_MS)) {
    try {
      return checkVersion(await askVersion(url));
    } catch (error) {
      if (error instanceof StartError) throw error;
      const reason = describe(error);
      const now = performance.now();
      refusedUntil = REFUSALS.has(errorCode(error))
        ? Math.min(refusedUntil, now + REFUSAL_LIMIT_MS)
        : Infinity;
      const left = Math.ceil((Math.min(until, refusedUntil) - now) / 1_000);
      if (left <= 0 || !(toApplicationError(error) instanceof Problem)) {
        throw new StartError(`the database does not take our connection: ${reason} (see ${variable})`);
      }
      if (now - told > REMIND_MS) {
        log(`the database does not take our connection yet: ${reason}; trying for another ${left} s`);
        told = now;
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
  // A host with several addresses fails with the errors of all of them, and no message of its own.
  const first: unknown =
    typeof error === 'object' && error !== null && 'errors' in error ? error.errors : null;
  if (Array.isArray(first) && first.length > 0) return describe(first[0]);
  return errorField(error, 'message') || errorCode(error) || String(error);
}
