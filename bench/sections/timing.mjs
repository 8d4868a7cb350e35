import { median } from '../lib/statistics.mjs';

/** Failed logins one after the other: of accounts that exist, with a wrong password, and of accounts that do not. */
export function steps(bench, results) {
  const { timingPairs, credentials } = bench.profile;
  const pairs = Math.min(timingPairs, credentials);
  return bench
    .having(({ id }) => id === 'latchkey-session')
    .map((contender) => ({
      label: `login of an unknown against a known email: ${contender.label}`,
      contender,
      seconds: 3 + pairs * 0.08,
      run: async () => {
        const file = bench.data.get(contender.family).files.timing;
        const sequence = (spec) => ({ file, expect: 401, ...spec });
        const { milliseconds } = await bench.withServer(contender, {}, async (server) => {
          await bench.load.sequence(sequence({ port: server.port, first: 20 }));
          return bench.load.sequence(sequence({ port: server.port, first: 2 * pairs }));
        });
        // As seed.mjs has ordered them: known, unknown, unknown, known.
        const isKnown = (index) => index % 4 === 0 || index % 4 === 3;
        const of = (known) => median(milliseconds.filter((_, index) => isKnown(index) === known));
        Object.assign(results, { pairs, known: of(true), unknown: of(false), milliseconds });
        return `${results.unknown.toFixed(2)} against ${results.known.toFixed(2)} ms`;
      },
    }));
}
