import type { AppConfig } from '../config/app-config.js';
import type { Database } from '../database/database.js';
import type { Logger } from '../http/logger.js';
import type { CounterStore } from './counter-store.js';
import { InsuredCounters } from './insured-counters.js';
import { memoryStore } from './memory-store.js';
import { postgresStore } from './postgres-store.js';

/** Beside the pool of the requests: enough for what one busy node counts. */
const CONNECTIONS = 3;
/** When a connection that does not answer is given up. The insurance takes over before. */
const CONNECTION_LIMIT_MILLISECONDS = 1_000;

/** Injection token of the counters of this node: {@link InsuredCounters}, or null with `THROTTLE=off`. */
export const COUNTERS = Symbol('COUNTERS');

/** The counters by the settings: in Redis with `REDIS_URL`, else in PostgreSQL, insured by memory. Waits for neither. */
export async function openCounters(
  config: AppConfig,
  database: Database,
  logger: Logger,
): Promise<InsuredCounters | null> {
  if (!config.throttle.enabled) return null;
  return new InsuredCounters(await sharedStore(config, database), memoryStore(), logger);
}

async function sharedStore({ redisUrl }: AppConfig, database: Database): Promise<CounterStore> {
  if (redisUrl === null)
    return postgresStore(database.openSidePool(CONNECTIONS, CONNECTION_LIMIT_MILLISECONDS));
  // Loaded where it is used: the client takes longer to load than most of what is here.
  const { redisStore } = await import('./redis-store.js');
  return redisStore(redisUrl);
}
