import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { Database } from '../../src/database/database.js';
import type { Limit } from '../../src/throttle/limits.js';
import { MAX_KEYS, memoryStore } from '../../src/throttle/memory-store.js';
import { postgresStore } from '../../src/throttle/postgres-store.js';
import { redisStore } from '../../src/throttle/redis-store.js';
import { eventually } from '../support/processes.js';
import { TestApp } from '../support/test-app.js';
import { HAS_REDIS, OwnRedis, REDIS } from '../throttle/support/own-redis.js';
import { counterStoreConformance } from './counter-store.conformance.js';

const SIDE_LIMIT_MS = 10_000;

counterStoreConformance('memory', async () => {
  const store = memoryStore();
  return { store, other: null, close: () => store.close() };
});

counterStoreConformance('postgres', async () => {
  const app = await TestApp.start({ mode: 'session' });
  const open = () => postgresStore(app.get(Database).openSidePool(2, SIDE_LIMIT_MS));
  const [store, other] = [open(), open()];
  return {
    store,
    other,
    close: async () => {
      await Promise.all([store.close(), other.close()]);
      await app.close();
    },
  };
});

(HAS_REDIS ? describe : describe.skip)(REDIS, () => {
  counterStoreConformance('redis', async () => {
    const redis = await OwnRedis.start();
    const [store, other] = [redisStore(redis.url), redisStore(redis.url)];
    // It is only now that they connect.
    for (const each of [store, other])
      await eventually(() =>
        each.probe().then(
          () => true,
          () => false,
        ),
      );
    return {
      store,
      other,
      close: async () => {
        await Promise.all([store.close(), other.close()]);
        await redis.stop();
      },
    };
  });
});

test('BR17 a million different keys fill the memory of the insurance only so far', async () => {
  const store = memoryStore();
  const limit: Limit = { name: 'addresses', points: 1, windowSeconds: 600 };
  const before = heap();
  for (let i = 0; i < 1_000_000; i++) await store.take(limit, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  // Some 6 MB; without a bound it is 500.
  expect(heap() - before).toBeLessThan(60 * 2 ** 20);
  // The newest are still counted, the oldest are forgotten.
  const last = 999_999;
  expect((await store.take(limit, `10.${last >> 16}.${(last >> 8) & 255}.${last & 255}`)).granted).toBe(
    false,
  );
  expect((await store.take(limit, '10.0.0.0')).granted).toBe(true);
  expect(MAX_KEYS).toBeLessThan(100_000);
}, 180_000);

/** What is in use once the garbage is gone. */
function heap(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
