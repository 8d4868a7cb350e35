import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import { BatchedReads } from '../database/batched-reads.js';
import { BatchedWrites } from '../database/batched-writes.js';
import type { SidePool } from '../database/side-pool.js';
import { CounterStore } from './counter-store.js';
import type { Limit } from './limits.js';

const TABLE = 'throttle_counters';
const MILLISECONDS_LEFT = `ceil(extract(epoch FROM expires_at - clock_timestamp()) * 1000)::int8 AS left`;

/**
 * Takes of counters $1 as many as $2 says, where a counter may hold as many as $3 in a window of $4 seconds. No row: that counter is
 * full, and stays as it was.
 */
const TAKE = `
  INSERT INTO ${TABLE} AS c (key, points, expires_at)
  SELECT key, points, now() + make_interval(secs => seconds)
  FROM unnest($1::text[], $2::int[], $4::float8[]) AS wanted (key, points, seconds) ORDER BY key
  ON CONFLICT (key) DO UPDATE SET
    points = CASE WHEN c.points = 0 OR c.expires_at <= now() THEN excluded.points ELSE c.points + excluded.points END,
    expires_at = CASE WHEN c.points = 0 OR c.expires_at <= now() THEN excluded.expires_at ELSE c.expires_at END
  WHERE c.points + excluded.points <= ($3::int[])[array_position($1::text[], excluded.key)] OR c.expires_at <= now()
  RETURNING key, points, ${MILLISECONDS_LEFT}`;
/** Gives back to counters $1 as many as $2 says, as far as they hold any. */
const GIVE_BACK = `
  WITH held AS (
    SELECT key FROM ${TABLE} WHERE key = ANY($1::text[]) AND expires_at > now() ORDER BY key FOR UPDATE)
  UPDATE ${TABLE} c SET points = greatest(0, c.points - ($2::int[])[array_position($1::text[], c.key)])
  FROM held WHERE c.key = held.key
  RETURNING c.key, c.points, ${MILLISECONDS_LEFT}`;
const GET = `SELECT key, points, ${MILLISECONDS_LEFT} FROM ${TABLE} WHERE key = ANY($1::text[]) AND points > 0 AND expires_at > now()`;
/** More than any counter holds. */
const ALL = 2 ** 31 - 1;

interface CounterRow {
  key: string;
  points: number;
  left: number;
}

/** What one {@link TAKE} of a counter wants. */
interface Take {
  readonly points: number;
  readonly limit: number;
  readonly seconds: number;
}

/** Counters in the database, on connections beside those of the requests. */
export function postgresStore(pool: SidePool): CounterStore {
  const counters = new Counters(pool);
  return new CounterStore({
    name: 'postgres',
    limiter: (limit) => new DatabaseTimeLimiter(counters, limit),
    // A write, since a replica can be read.
    probe: () => counters.takes.apply('probe', { points: 0, limit: 10, seconds: 1 }),
    close: () => pool.close(),
  });
}

/** The table: what is asked of several counters at the same time is one statement. */
class Counters {
  readonly takes = new BatchedWrites<Take, CounterRow>((wanted) => {
    const list = [...wanted.values()];
    const of = (what: keyof Take): number[] => list.map((take) => take[what]);
    return this.rows(TAKE, [[...wanted.keys()], of('points'), of('limit'), of('seconds')]);
  });
  readonly givings = new BatchedWrites<number, CounterRow>((wanted) =>
    this.rows(GIVE_BACK, [[...wanted.keys()], [...wanted.values()]]),
  );
  readonly readings = new BatchedReads<CounterRow>((keys) => this.rows(GET, [keys]));

  constructor(private readonly pool: SidePool) {}

  private async rows(sql: string, parameters: readonly unknown[]): Promise<Map<string, CounterRow>> {
    const rows = await this.pool.query<CounterRow>(sql, parameters);
    return new Map(rows.map((row) => [row.key, row]));
  }
}

/**
 * The library's limiter with statements of our own in place of its: its windows go by each node's clock, it counts what it refuses,
 * giving back in a window that has ended begins one with -1, and its statements have names, which poolers do not bear.
 */
class DatabaseTimeLimiter extends RateLimiterPostgres {
  constructor(
    private readonly counters: Counters,
    { name, points, windowSeconds }: Limit,
  ) {
    const table = { tableName: TABLE, tableCreated: true, clearExpiredByTimeout: false };
    super({
      storeClient: counters,
      storeType: 'client',
      ...table,
      keyPrefix: name,
      points,
      duration: windowSeconds,
    });
  }

  /** Called by the library for consume (1) and reward (-1). */
  protected async _upsert(key: string, change: number): Promise<Pick<CounterRow, 'points' | 'left'>> {
    if (change < 0) return (await this.counters.givings.apply(key, -change)) ?? { points: 0, left: 0 };
    const { points: limit, duration: seconds } = this;
    const taken = await this.counters.takes.apply(key, { points: change, limit, seconds });
    if (taken) return taken;
    // It ended between the two, or was full and is so no longer: full at the time of asking all the same.
    const full = await this.counters.readings.get(key);
    return { points: limit + 1, left: full?.left ?? 1000 };
  }

  /** Called by the library for get. */
  protected async _get(key: string): Promise<CounterRow | null> {
    return this.counters.readings.get(key);
  }

  /** Called by the library for delete: a counter that holds nothing begins a new window. */
  protected async _delete(key: string): Promise<boolean> {
    return (await this.counters.givings.apply(key, ALL)) !== undefined;
  }

  /** Called by the library with what the ones above returned. */
  protected _getRateLimiterRes(
    _key: string,
    _change: number,
    { points, left }: Pick<CounterRow, 'points' | 'left'>,
  ): RateLimiterRes {
    return new RateLimiterRes(Math.max(0, this.points - points), Math.max(0, left), points, false);
  }
}
