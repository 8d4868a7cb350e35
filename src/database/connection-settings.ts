import pg from 'pg';

/** What every connection of ours has, pooled or not. */
export const CONNECTION_SETTINGS = {
  application_name: 'latchkey',
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  types: typesWithNumbers(),
} satisfies pg.ClientConfig;

/** `bigint` as a number: ours are counters and counts, far below 2^53. */
function typesWithNumbers(): pg.TypeOverrides {
  const types = new pg.TypeOverrides();
  types.setTypeParser(pg.types.builtins.INT8, Number);
  return types;
}
