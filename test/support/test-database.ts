import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { errorCode } from '../../src/database/error-code.js';
import { onServer, withDatabase, type TestServerAddress } from './test-server.js';

const Address = z.object({ url: z.string(), template: z.string(), prefix: z.string() });

/** A database of a test file's own. */
export interface TestDatabase {
  /** For `DATABASE_URL`. Migrated and empty. */
  readonly url: string;
  /** Cuts whoever is still connected. */
  drop(): Promise<void>;
}

/** Clones the run's template: some 20 to 80 ms. `empty`: without the tables. */
export async function createTestDatabase({ empty = false } = {}): Promise<TestDatabase> {
  const { url, prefix, template } = testServerAddress();
  const name = `${prefix}_${randomBytes(6).toString('hex')}`;
  await onServer(url, async (client) => {
    const { rows } = await client.query<{ version: number }>(
      "SELECT current_setting('server_version_num')::int AS version",
    );
    // Copying files beats the default of newer servers by half; older ones know no other way.
    const strategy = Number(rows[0]?.version) >= 150_000 ? 'STRATEGY file_copy' : '';
    for (let attempt = 1; ; attempt++) {
      try {
        await client.query(`CREATE DATABASE ${name} TEMPLATE ${empty ? 'template0' : template} ${strategy}`);
        return;
      } catch (error) {
        if (errorCode(error) !== '55006' || attempt === 20) throw error; // another worker is cloning it
        await delay(50 * Math.random() * attempt);
      }
    }
  });
  return {
    url: withDatabase(url, name),
    drop: () =>
      onServer(
        url,
        async (client) => void (await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
      ),
  };
}

/** The server of this run. */
export function testServerAddress(): TestServerAddress {
  const text = process.env.LATCHKEY_TEST_SERVER;
  if (text === undefined) throw new Error('test/support/global-setup.mjs has not run');
  return Address.parse(JSON.parse(text));
}
