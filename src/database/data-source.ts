import { DataSource, type DataSourceOptions } from 'typeorm';
import { CONNECTION_SETTINGS } from './connection-settings.js';
import { PooledClient } from './pooled-client.js';
import { loadMigrations } from './load-migrations.js';

/** How long a request may wait for a connection, new or returned by another. */
const ACQUIRE_LIMIT_MS = 1_000;

/** What a data source is made from. */
export interface DataSourceSettings {
  /** `postgres://...` */
  readonly url: string;
  /** The most connections that are open at a time. */
  readonly poolSize: number;
  /**
   * Who limits the time of a statement: this side and the server, this side alone (behind a transaction pooler, which
   * refuses the startup parameters), or nobody (migrations).
   */
  readonly timeouts: 'both' | 'client' | 'none';
  readonly entities: NonNullable<DataSourceOptions['entities']>;
  /** Is told when a connection breaks that nobody is using at the moment. */
  readonly onIdleError?: (error: Error) => void;
}

// A little under the limits on this side (see PooledClient), so that a busy server answers with an error of its own
// and the connection lives on. The last one frees the locks of a process that hangs in the middle of a transaction.
const SERVER_TIMEOUTS = {
  statement_timeout: 1_900,
  lock_timeout: 1_500,
  idle_in_transaction_session_timeout: 5_000,
} as const;

/** A data source that is not connected yet. The only place that makes one. */
export async function createDataSource(settings: DataSourceSettings): Promise<DataSource> {
  return new DataSource(await dataSourceOptions(settings));
}

/** The options of {@link createDataSource}, for those who subclass. */
export async function dataSourceOptions(settings: DataSourceSettings): Promise<DataSourceOptions> {
  return {
    type: 'postgres',
    entities: settings.entities,
    migrations: await loadMigrations(),
    migrationsTransactionMode: 'each',
    installExtensions: false,
    logging: false,
    poolSize: settings.poolSize,
    connectTimeoutMS: settings.timeouts === 'none' ? 10 * ACQUIRE_LIMIT_MS : ACQUIRE_LIMIT_MS,
    poolErrorHandler: settings.onIdleError ?? ((): void => {}),
    extra: {
      ...CONNECTION_SETTINGS,
      ...(settings.timeouts === 'both' ? SERVER_TIMEOUTS : {}),
      connectionString: settings.url,
      idleTimeoutMillis: 30_000,
      ...(settings.timeouts === 'none' ? {} : { Client: PooledClient }),
    },
  };
}
