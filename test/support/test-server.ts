import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { runMigrations } from '../../src/database/migrate.js';

/** What a test file needs to make its own database: goes to the workers as JSON. */
export interface TestServerAddress {
  /** A database of the server that nobody is working in. */
  readonly url: string;
  /** The migrated database that is cloned. */
  readonly template: string;
  /** What the names of this run's databases begin with. */
  readonly prefix: string;
}

// A crash of the machine in the middle of a test run loses nothing.
const FAST_AND_LOOSE = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  max_connections: '200',
};

/** The PostgreSQL of a test run. */
export class TestServer {
  private constructor(
    readonly address: TestServerAddress,
    private readonly cleanUp: () => Promise<void>,
  ) {}

  /** Starts the embedded PostgreSQL, or uses the one of `url`, and makes the template. Leaves nothing behind when it fails. */
  static async start(url: string | undefined): Promise<TestServer> {
    const prefix = `lk_test_${randomBytes(4).toString('hex')}`;
    const base = url ? { url, stop: async (): Promise<void> => {} } : await startEmbedded();
    const address = { url: base.url, prefix, template: `${prefix}_template` };
    const cleanUp = async (): Promise<void> => {
      if (url) await dropAll(url, prefix);
      await base.stop();
    };
    try {
      await onServer(base.url, (client) => client.query(`CREATE DATABASE ${address.template}`));
      await runMigrations(withDatabase(base.url, address.template), () => {});
      return new TestServer(address, cleanUp);
    } catch (error) {
      await cleanUp();
      throw error;
    }
  }

  /** Ends the server, or drops the databases of the run where it is not ours. */
  async stop(): Promise<void> {
    await this.cleanUp();
  }
}

/** Runs `work` on a connection of its own. */
export async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The name of the database in an URL; that of a Unix socket has no host, which URL does not take. */
export function databaseOf(url: string): string {
  return new URL(url.replace(/\/\/[^/]*/, '//host')).pathname.slice(1);
}

/** The same server, another database. */
export function withDatabase(url: string, database: string): string {
  return url.replace(/^([a-z]+:\/\/[^/]*)(\/[^?]*)?/, `$1/${database}`);
}

async function startEmbedded(): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'lk-test-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const directory = join(folder, 'postgres');
    const server = await EmbeddedPostgres.start({ directory, log: console.error, settings: FAST_AND_LOOSE });
    return {
      url: server.url('postgres'),
      stop: async () => {
        await server.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function dropAll(url: string, prefix: string): Promise<void> {
  await onServer(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      'SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)',
      [prefix],
    );
    for (const { name } of rows) await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  });
}
