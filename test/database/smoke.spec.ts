import { ENTITIES } from '../../src/entities.js';
import { openDatabase } from '../../src/database/open-database.js';
import { createTestDatabase } from '../support/test-database.js';
test('smoke', async () => {
  const db = await createTestDatabase();
  const database = await openDatabase({ dataDir: '/nonexistent', database: { url: db.url, directUrl: null, poolSize: 3, migrate: true } }, { entities: ENTITIES, log: console.log });
  const log = await database.dataSource.driver.createSchemaBuilder().log();
  console.log(log.upQueries.map(q => q.query).join('\n'));
  expect(await database.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  await database.close();
  await db.drop();
});
