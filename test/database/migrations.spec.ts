import { type DataSource } from 'typeorm';
import { createDataSource } from '../../src/database/data-source.js';
import { runMigrations } from '../../src/database/migrate.js';
import { openDatabase } from '../../src/database/open-database.js';
import { StartError } from '../../src/database/start-error.js';
import { ENTITIES } from '../../src/entities.js';
import { Session } from '../../src/sessions/session.entity.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const ROUNDS = 20;

let testDatabase: TestDatabase;
let opened: DataSource[];

beforeEach(async () => {
  testDatabase = await createTestDatabase({ empty: true });
  opened = [];
});

afterEach(async () => {
  for (const dataSource of opened) await dataSource.destroy();
  await testDatabase.drop();
});

async function connect(): Promise<DataSource> {
  const dataSource = await createDataSource({
    url: testDatabase.url,
    poolSize: 1,
    timeouts: 'none',
    entities: ENTITIES,
  });
  opened.push(await dataSource.initialize());
  return dataSource;
}

/** What TypeORM would change to make the tables what the entities say. */
async function drift(dataSource: DataSource): Promise<string[]> {
  return (await dataSource.driver.createSchemaBuilder().log()).upQueries.map(({ query }) => query);
}

function open(
  migrate = true,
  url = testDatabase.url,
  log: (line: string) => void = () => {},
): ReturnType<typeof openDatabase> {
  const database = { url, directUrl: null, poolSize: 2, migrate };
  return openDatabase({ database, dataDir: '/nowhere' }, { entities: ENTITIES, log });
}

describe('the migrations', () => {
  test('go up, all the way down, and up again, and leave what the entities say', async () => {
    const dataSource = await connect();
    await dataSource.runMigrations();
    expect(await drift(dataSource)).toEqual([]);
    for (const _ of dataSource.migrations) await dataSource.undoLastMigration();
    const left = await dataSource.query(`
      SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
      UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace`);
    expect(left).toEqual([{ name: 'migrations' }]);
    await dataSource.runMigrations();
    expect(await drift(dataSource)).toEqual([]);
  });

  test.each([
    'ALTER TABLE users ALTER COLUMN created_at TYPE timestamptz(6)',
    'ALTER TABLE users ALTER COLUMN roles DROP DEFAULT',
    'ALTER TABLE credentials DROP CONSTRAINT credentials_session_id_fkey',
    'DROP INDEX sessions_ended_at_idx',
  ])('drift is noticed: %s', async (statement) => {
    const dataSource = await connect();
    await dataSource.runMigrations();
    await dataSource.query(statement);
    expect(await drift(dataSource)).not.toEqual([]);
  });

  test('name what TypeORM does not compare as the entities do: constraints, and the conditions of indexes', async () => {
    const dataSource = await connect();
    await dataSource.runMigrations();
    const constraints = await dataSource.query(
      `SELECT conname AS name FROM pg_constraint
       WHERE contype IN ('p', 'u', 'f') AND conrelid = ANY ($1::text[]::regclass[])`,
      [dataSource.entityMetadatas.map(({ tableName }) => tableName)],
    );
    const declared = dataSource.entityMetadatas.flatMap(({ primaryColumns, uniques, foreignKeys }) => [
      primaryColumns[0]?.primaryKeyConstraintName,
      ...[...uniques, ...foreignKeys].map(({ name }) => name),
    ]);
    expect(constraints.map(({ name }: { name: string }) => name).sort()).toEqual(declared.sort());
    const conditions = await dataSource.query(`
      SELECT indexrelid::regclass::text AS name, pg_get_expr(indpred, indrelid) AS condition
      FROM pg_index WHERE indpred IS NOT NULL AND indrelid = 'sessions'::regclass ORDER BY name`);
    expect(conditions).toEqual(
      dataSource
        .getMetadata(Session)
        .indices.filter(({ where }) => where)
        .map(({ name, where }) => ({ name, condition: `(${where})` }))
        .sort((a, b) => a.name.localeCompare(b.name)),
    );
  });
});

describe('a start', () => {
  test(`FT25 of five nodes at once, ${ROUNDS} rounds: one migrates, four wait, all of them open, and the schema is right`, async () => {
    const slowest: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const empty = await createTestDatabase({ empty: true });
      const lines: string[] = [];
      const start = performance.now();
      const databases = await Promise.all(
        Array.from({ length: 5 }, () => open(true, empty.url, (line) => lines.push(line))),
      );
      slowest.push(performance.now() - start);
      const [first] = databases;
      const names = first?.dataSource.migrations.map(({ name }) => name) ?? [];
      const rows = await first?.query(
        'SELECT name, count(*)::int AS times FROM migrations GROUP BY name ORDER BY min(id)',
      );
      expect(rows).toEqual(names.map((name) => ({ name, times: 1 })));
      expect(lines.filter((line) => /^migration .* s$/.test(line)).length).toBe(names.length);
      if (first && round === 0) expect(await drift(first.dataSource)).toEqual([]);
      await Promise.all(databases.map((database) => database.close()));
      await empty.drop();
    }
    console.log(`FT25: five nodes were open after ${Math.round(Math.max(...slowest))} ms at most`);
  }, 120_000);

  test('on a database that a newer version has migrated is refused, naming what is not known', async () => {
    await (await open()).close();
    const dataSource = await connect();
    await dataSource.query(
      `INSERT INTO migrations (timestamp, name) VALUES (1999999999999, 'Later1999999999999')`,
    );
    await expect(open()).rejects.toThrow(/newer version.*\(Later1999999999999\)/);
    await expect(open()).rejects.toBeInstanceOf(StartError);
    await expect(runMigrations(testDatabase.url, () => {})).rejects.toThrow(/newer version/);
  });

  test('with DATABASE_MIGRATE=false on a database without the tables is refused', async () => {
    await expect(open(false)).rejects.toThrow(/lacks \d+ migrations \(.*DATABASE_MIGRATE is false/);
    await (await open()).close();
    await (await open(false)).close();
  });
});
