import { join } from 'node:path';
import pg from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { withAdvisoryLock } from './advisory-lock.js';
import { dataSourceOptions, type DataSourceSettings } from './data-source.js';
import { EmbeddedPostgres, findRunningEmbedded } from './embedded-postgres.js';
import { runMigrations } from './migrate.js';
import type { DatabaseConfig } from './open-database.js';

/** The database that `migration:generate` compares the entities with, on an embedded server. */
const COMPARISON = 'latchkey_comparison';

/** What a command works on, and what it leaves behind when it ends. */
interface Target {
  readonly url: string;
  readonly end: () => Promise<void>;
}

/**
 * The data source of TypeORM's command line: on the database of the configuration, without time limits. The embedded
 * PostgreSQL is started for the time of the command, unless an application of the same DATA_DIR is running it. There,
 * `comparing` works on a scratch database with all migrations run, so that it tells what the entities have that the
 * migrations lack, whatever state the data are in.
 */
export async function createCommandDataSource(
  config: DatabaseConfig,
  entities: DataSourceSettings['entities'],
  comparing: boolean,
): Promise<DataSource> {
  const url = config.database.directUrl ?? config.database.url;
  const target =
    url === null ? await embeddedTarget(config.dataDir, comparing) : { url, end: async () => {} };
  return new CommandDataSource(
    await dataSourceOptions({ url: target.url, poolSize: 2, timeouts: 'none', entities }),
    target,
  );
}

class CommandDataSource extends DataSource {
  constructor(
    options: DataSourceOptions,
    private readonly target: Target,
  ) {
    super(options);
  }

  // TypeORM itself takes no lock: of several that migrate at once all but one would fail.
  override async runMigrations(
    ...options: Parameters<DataSource['runMigrations']>
  ): ReturnType<DataSource['runMigrations']> {
    return withAdvisoryLock(this.target.url, 'migrations', () => super.runMigrations(...options));
  }

  override async undoLastMigration(...options: Parameters<DataSource['undoLastMigration']>): Promise<void> {
    return withAdvisoryLock(this.target.url, 'migrations', () => super.undoLastMigration(...options));
  }

  override async destroy(): Promise<void> {
    await super.destroy();
    await this.target.end();
  }
}

async function embeddedTarget(dataDir: string, comparing: boolean): Promise<Target> {
  const directory = join(dataDir, 'postgres');
  const server =
    (await findRunningEmbedded(directory)) ??
    (await EmbeddedPostgres.start({ directory, log: console.error }));
  const end = async (): Promise<void> => {
    if (server instanceof EmbeddedPostgres) await server.stop(); // a running one is another process's
  };
  if (!comparing) return { url: server.url(), end };
  const dropScratch = `DROP DATABASE IF EXISTS ${COMPARISON} WITH (FORCE)`;
  await onServer(server.url(), [dropScratch, `CREATE DATABASE ${COMPARISON}`]);
  await runMigrations(server.url(COMPARISON), () => {});
  return {
    url: server.url(COMPARISON),
    end: async () => {
      await onServer(server.url(), [dropScratch]);
      await end();
    },
  };
}

async function onServer(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
