import { setTimeout as delay } from 'node:timers/promises';
import { MigrationExecutor, type DataSource, type QueryRunner } from 'typeorm';
import { lock } from './advisory-lock.js';
import { createDataSource } from './data-source.js';
import { errorField } from './error-code.js';
import type { Log } from './log.js';
import type { Queryable } from './queryable.js';
import { StartError } from './start-error.js';

const POLL_MS = 200;
const REMIND_MS = 10_000;

/** How a database's schema stands to this code, by the names of migrations. */
export interface SchemaState {
  /** Known here, not run there. */
  readonly pending: readonly string[];
  /** Run there, not known here. */
  readonly unknown: readonly string[];
}

/** Compares the migrations of the data source, which must be initialized, with those that have run. */
export async function readSchemaState(
  dataSource: DataSource,
  database: Pick<Queryable, 'query'>,
): Promise<SchemaState> {
  const [table] = await database.query<{ present: boolean }>(
    "SELECT to_regclass('migrations') IS NOT NULL AS present",
  );
  const rows = table?.present ? await database.query<{ name: string }>('SELECT name FROM migrations') : [];
  const run = new Set(rows.map(({ name }) => name));
  const known = new Set(
    dataSource.migrations.map((migration) => migration.name ?? migration.constructor.name),
  );
  return {
    pending: [...known].filter((name) => !run.has(name)),
    unknown: [...run].filter((name) => !known.has(name)),
  };
}

/** Refuses a database that a newer version has changed: what this one would do to it cannot be known. */
export function refuseUnknown({ unknown }: SchemaState): void {
  if (unknown.length === 0) return;
  throw new StartError(
    `the database was migrated by a newer version of Latchkey, which this one does not know (${unknown.join(', ')}): start that version, or restore the database from before`,
  );
}

/**
 * Runs the pending migrations, each in a transaction of its own, while no other node does: of several that start at
 * once one runs them and the others wait, however long that takes. `url` must not lead to a transaction pooler. Throws
 * a StartError when a migration fails (it is rolled back, and nothing after it runs).
 */
export async function runMigrations(url: string, log: Log): Promise<void> {
  const dataSource = await createDataSource({ url, poolSize: 1, timeouts: 'none', entities: [] });
  await dataSource.initialize();
  try {
    const runner = dataSource.createQueryRunner();
    const connection: Pick<Queryable, 'query'> = {
      query: async (sql, parameters = []) => (await runner.query(sql, [...parameters], true)).records,
    };
    await waitForTurn(connection, log);
    refuseUnknown(await readSchemaState(dataSource, connection));
    await runPending(dataSource, runner, log);
  } finally {
    await dataSource.destroy(); // and with the connection the lock
  }
}

async function runPending(dataSource: DataSource, runner: QueryRunner, log: Log): Promise<void> {
  const executor = new MigrationExecutor(dataSource, runner);
  for (const migration of await executor.getPendingMigrations()) {
    const start = performance.now();
    const transactional = migration.instance?.transaction ?? true;
    try {
      if (transactional) await runner.startTransaction();
      await executor.executeMigration(migration);
      if (transactional) await runner.commitTransaction();
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => {});
      throw new StartError(`migration ${migration.name} failed: ${errorField(error, 'message')}`, {
        cause: error,
      });
    }
    log(`migration ${migration.name}: done in ${((performance.now() - start) / 1_000).toFixed(1)} s`);
  }
}

async function waitForTurn(connection: Pick<Queryable, 'query'>, log: Log): Promise<void> {
  for (let reminded = -Infinity; !(await lock(connection, 'migrations')); await delay(POLL_MS)) {
    if (performance.now() - reminded < REMIND_MS) continue;
    log('another node runs the migrations; waiting for it');
    reminded = performance.now();
  }
}
