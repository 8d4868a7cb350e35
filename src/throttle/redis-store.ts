import { createClient } from '@redis/client';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { CounterStore } from './counter-store.js';

/** What the keys of all limits begin with. */
const PREFIX = 'latchkey:throttle:';
const CONNECT_MILLISECONDS = 1_000;
const MAX_RECONNECT_MILLISECONDS = 2_000;
/** How long the start waits for Redis: it is not needed to serve. */
const START_MILLISECONDS = 500;

/**
 * Counts atomically, by the time of Redis. The library's own script also counts what it refuses, and giving back in a window that
 * has ended would begin one with -1. ARGV: +1 or -1, seconds, limit.
 */
const SCRIPT = `
  local change, limit = tonumber(ARGV[1]), tonumber(ARGV[3])
  local count = tonumber(redis.call('get', KEYS[1]) or 0)
  if change < 0 then
    if count > 1 then count = redis.call('decr', KEYS[1]) else redis.call('del', KEYS[1]); count = 0 end
  elseif count >= limit then
    count = limit + 1
  elseif count == 0 then
    redis.call('set', KEYS[1], 1, 'EX', ARGV[2]); count = 1
  else
    count = redis.call('incr', KEYS[1])
  end
  return { count, math.max(0, redis.call('pttl', KEYS[1])) }`;

/**
 * Counters in Redis. It connects in the background and reconnects by itself; without a connection everything rejects at once.
 * @param url `REDIS_URL`, which may hold a password
 */
export function redisStore(url: string): CounterStore {
  const client = createClient({
    url,
    disableOfflineQueue: true,
    socket: {
      connectTimeout: CONNECT_MILLISECONDS,
      reconnectStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), MAX_RECONNECT_MILLISECONDS),
    },
  });
  // Without a listener a lost connection ends the process. Whoever asks next learns of it.
  client.on('error', () => undefined);
  const connected = client.connect().then(
    () => undefined,
    () => undefined,
  );
  return new CounterStore({
    name: 'redis',
    limiter: ({ name, points, windowSeconds }) =>
      new RateLimiterRedis({
        storeClient: client,
        useRedisPackage: true,
        rejectIfRedisNotReady: true,
        customIncrTtlLuaScript: SCRIPT,
        keyPrefix: PREFIX + name,
        points,
        duration: windowSeconds,
      }),
    // A write, since a replica and a full Redis can be read.
    probe: async () => {
      if (!client.isReady) await Promise.race([connected, after(START_MILLISECONDS)]);
      await client.set(`${PREFIX}probe`, '1', { expiration: { type: 'EX', value: 10 } });
    },
    // Not a goodbye: a frozen Redis would never answer it.
    close: () => client.destroy(),
  });
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
