import { join } from 'node:path';
import type { AppConfig } from '../config/app-config.js';
import { createDataSource, type DataSourceSettings } from './data-source.js';
import { Database } from './database.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { logToApplication, type Log } from './log.js';
import { readSchemaState, refuseUnknown, runMigrations } from './migrate.js';
import { StartError } from './start-error.js';
import { waitForDatabase } from './wait-for-database.js';

/** What of the configuration says where the data are. */
export type DatabaseConfig = Pick<AppConfig, 'database' | 'dataDir'>;

/** How a database is opened. */
export interface OpenSettings {
  readonly entities: DataSourceSettings['entities'];
  /** Takes what happens on the way. Default: the application's logger. */
  readonly log?: Log;
  /** How long to wait for a database that does not answer. Default 30. */
  readonly waitSeconds?: number;
}

/** The server that the database is on. */
interface Server {
  readonly url: string;
  readonly location: string;
  readonly stop: () => Promise<void>;
}

/**
 * Opens the database of the configuration: starts the embedded PostgreSQL where none is named, waits until it answers,
 * and migrates it, or, where that is off, makes sure that it is migrated. Throws a StartError in one line when any of
 * that fails, and leaves nothing running then.
 */
export async function openDatabase(config: DatabaseConfig, settings: OpenSettings): Promise<Database> {
  const { poolSize, directUrl, migrate } = config.database;
  const { entities, log = logToApplication, waitSeconds = 30 } = settings;
  const server = await findServer(config, log);
  const direct = directUrl ?? server.url;
  const dataSource = await createDataSource({
    url: server.url,
    poolSize,
    timeouts: directUrl === null ? 'both' : 'client',
    entities,
    onIdleError: (error) => {
      if (!database.isClosing) log(`an idle database connection was lost: ${error.message}`);
    },
  });
  const database = new Database({
    dataSource,
    url: server.url,
    directUrl: direct,
    location: server.location,
    afterClose: server.stop,
  });
  try {
    await waitForDatabase(server.url, { variable: 'DATABASE_URL', seconds: waitSeconds, log });
    if (directUrl !== null) {
      await waitForDatabase(directUrl, { variable: 'DATABASE_DIRECT_URL', seconds: waitSeconds, log });
    }
    await dataSource.initialize();
    const state = await readSchemaState(dataSource, database);
    refuseUnknown(state);
    if (state.pending.length > 0) {
      if (!migrate) throw notMigrated(state.pending);
      await runMigrations(direct, log);
    }
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function findServer({ database, dataDir }: DatabaseConfig, log: Log): Promise<Server> {
  if (database.url !== null) {
    return { url: database.url, location: withoutCredentials(database.url), stop: async () => {} };
  }
  const embedded = await EmbeddedPostgres.start({ directory: join(dataDir, 'postgres'), log });
  return {
    url: embedded.url(),
    location: `embedded PostgreSQL in ${embedded.directory}`,
    stop: () => embedded.stop(),
  };
}

function withoutCredentials(url: string): string {
  return URL.canParse(url) ? `PostgreSQL ${new URL(url).host}${new URL(url).pathname}` : 'PostgreSQL';
}

function notMigrated(pending: readonly string[]): StartError {
  return new StartError(
    `the database lacks ${pending.length} migrations (${pending.join(', ')}) and DATABASE_MIGRATE is false: run \`npm run migration:run\`, or let Latchkey do it with DATABASE_MIGRATE=true`,
  );
}
