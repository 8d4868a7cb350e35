import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { constants } from 'node:os';
import { TestClient } from '../support/test-client.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';
import { LatchkeyProcess, newFolder } from './latchkey-process.js';

const { PRIORITY_NORMAL, PRIORITY_LOW } = constants.priority;
const POOL = 6;
const SIGNUPS = 10;
/** Less than any machine takes for a hash. */
const HASH_MILLISECONDS = 8;
const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('the threads that hash passwords give way to the one that answers', () => {
  const folder = newFolder();
  let database: TestDatabase;
  let latchkey: LatchkeyProcess;
  beforeAll(async () => {
    database = await createTestDatabase();
    const settings = { DATABASE_URL: database.url, PORT: '0', UV_THREADPOOL_SIZE: String(POOL) };
    latchkey = new LatchkeyProcess(folder.path, settings);
    await latchkey.says(/Latchkey is up/);
  });
  afterAll(async () => {
    await latchkey.stop();
    await database.drop();
    folder.remove();
  });

  test('as many as the pool has, and no other, and they are those that hash', async () => {
    const lowered = () => latchkey.threads.filter(({ priority }) => priority === PRIORITY_LOW);
    const used = () => lowered().reduce((sum, { cpu }) => sum + cpu, 0);
    const others = latchkey.threads.filter(({ priority }) => priority !== PRIORITY_LOW);
    expect(lowered()).toHaveLength(POOL);
    expect(others.filter(({ isMain }) => isMain)).toHaveLength(1);
    expect(others.filter(({ priority }) => priority !== PRIORITY_NORMAL)).toEqual([]);

    const before = used();
    for (let i = 0; i < SIGNUPS; i++) {
      expect((await new TestClient(latchkey.url).signup()).status).toBe(201);
    }
    expect(used() - before).toBeGreaterThan(SIGNUPS * HASH_MILLISECONDS);
  });
});
