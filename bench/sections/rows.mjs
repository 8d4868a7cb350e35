import { meanRate } from '../lib/statistics.mjs';
import { inTurn, takeTurns } from '../lib/turns.mjs';
import { manyOf } from './me.mjs';

const DATA = 'latchkey-many-rows';
const IDS = ['latchkey-session-bypassed', 'latchkey-jwt-bypassed', 'latchkey-session'];

/** GET /me with many credentials over few rows and over many, the database asked each time, and for comparison with the cache on. */
export function steps(bench, results) {
  const { rows, rowsProcesses, rounds, warm, seconds, credentials, quick } = bench.profile;
  const contenders = bench.having(({ id }) => IDS.slice(0, quick ? 1 : 3).includes(id));
  if (contenders.length === 0) return [];
  results.few = credentials;
  results.many = rows;
  results.contenders = {};
  const measures = inTurn(`${rows.toLocaleString('en')} rows beside few`, rowsProcesses, contenders, {
    seconds: 3 + 8 * warm + 2 * rounds * seconds + credentials / 3000,
    run: async (contender) => {
      const [few, many] = await fewBesideMany(bench, contender);
      const kept = (results.contenders[contender.id] ??= { few: [], many: [] });
      kept.few.push(...few);
      kept.many.push(...many);
      const [overMany, overFew] = [many, few].map((runs) => Math.round(meanRate(runs)).toLocaleString('en'));
      return `${overMany} a second, over few ${overFew}`;
    },
  });
  return [
    {
      label: `filling a database with ${rows.toLocaleString('en')} users and sessions`,
      seconds: 10 + rows * 0.00012,
      run: () => bench.seed('latchkey', { name: DATA, rows }),
      makes: DATA,
    },
    ...measures.map((step) => ({ ...step, needs: [DATA] })),
  ];
}

function fewBesideMany(bench, contender) {
  const { rounds, connections } = bench.profile;
  const ready = async (server, data) => {
    const file = bench.meFile(contender, data);
    await bench.warmUp(server, { file, connections });
    return manyOf(bench, contender, server, file);
  };
  return bench.withServer(contender, {}, (few) =>
    bench.withServer(contender, { data: DATA }, async (many) =>
      takeTurns(bench, rounds, await ready(few, contender.family), await ready(many, DATA)),
    ),
  );
}
