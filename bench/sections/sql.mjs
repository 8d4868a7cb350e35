import { setTimeout as delay } from 'node:timers/promises';
import { quickChoice } from '../lib/quick.mjs';

/**
 * Transactions of the database per GET /me: those of a process that answers many, less those of one that answers one and lives as long, so
 * that what is asked by the clock (Latchkey reads its log of changes every 250 ms) cancels out.
 */
export function steps(bench, results) {
  const { sqlRequests } = bench.profile;
  const isChosen = quickChoice(bench);
  return bench
    .having((contender) => contender.family !== null && isChosen(contender))
    .map((contender) => ({
      label: `SQL per GET /me: ${contender.label}`,
      contender,
      seconds: 4,
      run: async () => {
        const many = await transactionsOfLife(bench, contender, { count: 1 + sqlRequests });
        const few = await transactionsOfLife(bench, contender, { count: 1, seconds: many.seconds });
        results[contender.id] = {
          perRequest: Math.max(0, many.transactions - few.transactions) / sqlRequests,
          requests: sqlRequests,
        };
        if (contender.bypassed && results[contender.id].perRequest < 0.9) {
          throw new Error('the cache answered although it was to be bypassed');
        }
        return `${results[contender.id].perRequest.toFixed(2)} a request`;
      },
    }));
}

/** PostgreSQL counts a connection's transactions for certain when it has ended. Lives for `seconds` at least. */
async function transactionsOfLife(bench, contender, { count, seconds = 0 }) {
  const { name } = bench.data.get(contender.family).database;
  const spec = { file: bench.meFile(contender), first: contender.one, connections: 1, count };
  const before = await bench.postgres.transactions(name);
  const run = await bench.withServer(contender, {}, async (server) => {
    const measured = await bench.measure(server, spec);
    await delay(Math.max(0, seconds - measured.seconds) * 1000);
    return measured;
  });
  await bench.postgres.disconnected(name);
  return { transactions: (await bench.postgres.transactions(name)) - before, seconds: run.seconds };
}
