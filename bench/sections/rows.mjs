import { measureMany } from './me.mjs';

const DATA = 'latchkey-many-rows';
const IDS = ['latchkey-session-bypassed', 'latchkey-jwt-bypassed', 'latchkey-session'];

/** GET /me with many credentials over few rows and over many, the database asked each time, and for comparison with the cache on. */
export function steps(bench, results) {
  const { rows, rounds, seconds, credentials, quick } = bench.profile;
  const contenders = bench.having(({ id }) => IDS.slice(0, quick ? 1 : 3).includes(id));
  if (contenders.length === 0) return [];
  results.few = credentials;
  results.many = rows;
  results.contenders = {};
  const measures = Array.from({ length: rounds }, (_, round) => round + 1).flatMap((round) =>
    contenders.flatMap((contender) =>
      [
        ['few', contender.family],
        ['many', DATA],
      ].map(([size, data]) => ({
        label: `${(size === 'few' ? credentials : rows).toLocaleString('en')} rows, round ${round} of ${rounds}: ${contender.label}`,
        contender,
        needs: [data],
        seconds: 2 + seconds + credentials / 3000,
        run: async () => {
          const file = bench.meFile(contender, data);
          const run = await bench.withServer(contender, { data }, (server) =>
            measureMany(bench, server, file),
          );
          const runs = (results.contenders[contender.id] ??= { few: [], many: [] });
          runs[size].push(run);
          return `${Math.round(run.perSecond).toLocaleString('en')} a second`;
        },
      })),
    ),
  );
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
