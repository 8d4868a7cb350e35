import { Lineup } from '../lib/lineup.mjs';
import { measureMany } from './me.mjs';

const DATA = 'latchkey-many-rows';
const IDS = ['latchkey-session-bypassed', 'latchkey-jwt-bypassed', 'latchkey-session'];

/** GET /me with many credentials over few rows and over many, the database asked each time, and for comparison with the cache on. */
export function steps(bench, results) {
  const { rows, rounds, warm, seconds, credentials, quick } = bench.profile;
  const contenders = bench.having(({ id }) => IDS.slice(0, quick ? 1 : 3).includes(id));
  if (contenders.length === 0) return [];
  results.few = credentials;
  results.many = rows;
  results.contenders = {};
  const entries = contenders.flatMap((contender) =>
    [
      ['few', contender.family, credentials],
      ['many', DATA, rows],
    ].map(([size, data, count]) => ({
      key: `${contender.id} ${size}`,
      label: `${count.toLocaleString('en')} rows, ${contender.label}`,
      contender,
      needs: [data],
      size,
      data,
    })),
  );
  const lineup = new Lineup(async ({ contender, data }) => {
    const server = await bench.server(contender, { data });
    const { connections } = bench.profile;
    await bench.warmUp(server, { file: bench.meFile(contender, data), connections });
    return server;
  });
  const measures = lineup.steps('GET /me', entries, {
    rounds,
    startSeconds: 1.5 + 4 * warm,
    seconds: seconds + credentials / 20_000,
    slice: async ({ contender, size, data }, server) => {
      const run = await measureMany(bench, contender, server, bench.meFile(contender, data));
      const runs = (results.contenders[contender.id] ??= { few: [], many: [] });
      runs[size].push(run);
      return `${Math.round(run.perSecond).toLocaleString('en')} a second`;
    },
  });
  return [
    {
      label: `filling a database with ${rows.toLocaleString('en')} users and sessions`,
      seconds: 10 + rows * 0.00012,
      run: () => bench.seed('latchkey', { name: DATA, rows }),
      makes: DATA,
    },
    ...measures,
  ];
}
