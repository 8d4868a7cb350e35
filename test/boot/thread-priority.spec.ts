import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { constants } from 'node:os';
import { LatchkeyProcess, newFolder } from './latchkey-process.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';

const { PRIORITY_NORMAL, PRIORITY_BELOW_NORMAL } = constants.priority;
/** Since then the threads of the pool have a name to be told by. */
const FIRST_WITH_NAMES = 22;
const version = Number(process.versions.node.split('.')[0]);

const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('the threads that hash passwords give way to the one that answers', () => {
  const folder = newFolder();
  let database: TestDatabase;
  let latchkey: LatchkeyProcess;
  beforeAll(async () => {
    database = await createTestDatabase();
    const settings = { DATABASE_URL: database.url, PORT: '0', UV_THREADPOOL_SIZE: '6' };
    latchkey = new LatchkeyProcess(folder.path, settings);
    await latchkey.says(/Latchkey is up/);
  });
  afterAll(async () => {
    await latchkey.stop();
    await database.drop();
    folder.remove();
  });

  test(`from Node ${FIRST_WITH_NAMES} on all of them and no other; before, none`, () => {
    const canBeTold = version >= FIRST_WITH_NAMES;
    const lowered = latchkey.threads.filter(({ priority }) => priority !== PRIORITY_NORMAL);
    const pool = Array.from({ length: 6 }, () => ({
      name: 'libuv-worker',
      priority: PRIORITY_BELOW_NORMAL,
    }));
    expect(lowered).toEqual(canBeTold ? pool : []);
  });
});
