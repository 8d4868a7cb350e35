import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import type { SidePool } from '../database/side-pool.js';
import { CounterStore } from './counter-store.js';
import type { Limit } from './limits.js';

const TABLE = 'throttle_counters';
const MILLISECONDS_LEFT = `ceil(extract(epoch FROM expires_at - clock_timestamp()) * 1000)::int8 AS left`;

/** Takes $2 of a counter that may hold $4 in a window of $3 seconds. No row: the counter is full, and stays as it was. */
const TAKE = `
  INSERT INTO ${TABLE} AS c (key, points, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3))
  ON CONFLICT (key) DO UPDATE SET
    points = CASE WHEN c.points = 0 OR c.expires_at <= now() THEN $2 ELSE c.points + $2 END,
    expires_at = CASE WHEN c.points = 0 OR c.expires_at <= now() THEN excluded.expires_at ELSE c.expires_at END
  WHERE c.points + $2 <= $4 OR c.expires_at <= now()
  RETURNING points, ${MILLISECONDS_LEFT}`;
const GIVE_BACK = `
  UPDATE ${TABLE} SET points = greatest(0, points - $2) WHERE key = $1 AND expires_at > now()
  RETURNING points, ${MILLISECONDS_LEFT}`;
const GET = `SELECT points, ${MILLISECONDS_LEFT} FROM ${TABLE} WHERE key = $1 AND expires_at > now()`;

interface CounterRow {
  points: number;
  left: number;
}

/** Counters in the database, on connections beside those of the requests. */
export function postgresStore(pool: SidePool): CounterStore {
  return new CounterStore({
    name: 'postgres',
    limiter: (limit) => new DatabaseTimeLimiter(pool, limit),
    // A write, since a replica can be read.
    probe: () => pool.query(TAKE, ['probe', 0, 10, 1]),
    close: () => pool.close(),
  });
}

/**
 * The library's limiter with statements of our own in place of its: its windows go by each node's clock, it counts what it refuses,
 * giving back in a window that has ended begins one with -1, and its statements have names, which poolers do not bear.
 */
class DatabaseTimeLimiter extends RateLimiterPostgres {
  constructor(
    private readonly pool: SidePool,
    { name, points, windowSeconds }: Limit,
  ) {
    const storeClient = {
      query: async ({ text, values }: { text: string; values: unknown[] }) => {
        const rows = await pool.query(text, values);
        return { rows, rowCount: rows.length };
      },
    };
    const table = { tableName: TABLE, tableCreated: true, clearExpiredByTimeout: false };
    super({ storeClient, storeType: 'client', ...table, keyPrefix: name, points, duration: windowSeconds });
  }

  /** Called by the library for consume (1) and reward (-1). */
  protected async _upsert(key: string, change: number): Promise<CounterRow> {
    if (change < 0) return (await this.one(GIVE_BACK, [key, -change])) ?? { points: 0, left: 0 };
    const taken = await this.one(TAKE, [key, change, this.duration, this.points]);
    if (taken) return taken;
    // It ended between the two, or was full and is so no longer: full at the time of asking all the same.
    const full = await this.one(GET, [key]);
    return { points: this.points + 1, left: full?.left ?? 1000 };
  }

  /** Called by the library for get. */
  protected async _get(key: string): Promise<CounterRow | null> {
    return this.one(GET, [key]);
  }

  /** Called by the library with what the two above returned. */
  protected _getRateLimiterRes(_key: string, _change: number, { points, left }: CounterRow): RateLimiterRes {
    return new RateLimiterRes(Math.max(0, this.points - points), Math.max(0, left), points, false);
  }

  private async one(sql: string, parameters: readonly unknown[]): Promise<CounterRow | null> {
    return (await this.pool.query<CounterRow>(sql, parameters))[0] ?? null;
  }
}
