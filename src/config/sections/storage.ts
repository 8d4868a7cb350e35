import { postgresUrl, redisUrl } from '../connection-url.js';
import { duration } from '../duration.js';
import { flag, integer } from '../scalars.js';
import { optional, variable } from '../variable.js';

/** Where data lives. */
export const storageSection = {
  DATA_DIR: variable(
    'folder of the generated secret and the embedded PostgreSQL, outside production',
    '.latchkey',
    (text: string) => text,
  ),
  DATABASE_URL: optional(
    'postgres://user:password@host:5432/database; required in production',
    'embedded PostgreSQL in <DATA_DIR>/postgres',
    postgresUrl,
  ),
  DATABASE_DIRECT_URL: optional(
    'the same database past a transaction pooler, for migrations, locks and LISTEN',
    'DATABASE_URL',
    postgresUrl,
  ),
  DATABASE_POOL_SIZE: variable('database connections of this process', '10', integer(1, 1000)),
  DATABASE_MIGRATE: variable('run pending migrations at start: true or false', 'true', flag),
  REDIS_URL: optional('optional Redis for the counters of the rate limits', 'none', redisUrl),
  AUDIT_RETENTION: variable('how long security events are kept', '400d', duration),
};
