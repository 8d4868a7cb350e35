import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { constants } from 'node:os';
import { TestClient } from '../support/test-client.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';
import { LatchkeyProcess, newFolder } from './latchkey-process.js';

const { PRIORITY_NORMAL, PRIORITY_LOW } = constants.priority;
const POOL = 6;
const SIGNUPS = 10;
/** Less than any machine takes for a hash. */
const HASH_MILLISECONDS = 8;
// Hashes that give way to a machine that is busy take long.
jest.setTimeout(120_000);

const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('the threads that hash passwords', () => {
  const folder = newFolder();
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await database.drop();
    folder.remove();
  });

  async function withLatchkey(
    settings: Readonly<Record<string, string>>,
    work: (latchkey: LatchkeyProcess) => Promise<void>,
  ): Promise<void> {
    const latchkey = new LatchkeyProcess(folder.path, {
      DATABASE_URL: database.url,
      PORT: '0',
      UV_THREADPOOL_SIZE: String(POOL),
      ...settings,
    });
    try {
      await latchkey.says(/Latchkey is up/);
      await work(latchkey);
    } finally {
      await latchkey.stop();
    }
  }

  async function signUpSome({ url }: LatchkeyProcess): Promise<void> {
    for (let i = 0; i < SIGNUPS; i++) expect((await new TestClient(url).signup()).status).toBe(201);
  }

  test('PASSWORD_HASH_NICE=19: those of the pool give way to the one that answers, no other does, and they are those that hash', async () => {
    await withLatchkey({ PASSWORD_HASH_NICE: '19' }, async (latchkey) => {
      const lowered = () => latchkey.threads.filter(({ priority }) => priority === PRIORITY_LOW);
      const used = () => lowered().reduce((sum, { cpu }) => sum + cpu, 0);
      const others = latchkey.threads.filter(({ priority }) => priority !== PRIORITY_LOW);
      expect(lowered()).toHaveLength(POOL);
      expect(others.filter(({ isMain }) => isMain)).toHaveLength(1);
      expect(others.filter(({ priority }) => priority !== PRIORITY_NORMAL)).toEqual([]);

      const before = used();
      await signUpSome(latchkey);
      expect(used() - before).toBeGreaterThan(SIGNUPS * HASH_MILLISECONDS);
    });
  });

  test('outside of production, where builds and tests run beside it, none gives way', async () => {
    await withLatchkey({}, async (latchkey) => {
      await signUpSome(latchkey);
      expect(latchkey.threads.filter(({ priority }) => priority !== PRIORITY_NORMAL)).toEqual([]);
    });
  });
});
