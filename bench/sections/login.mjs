import { HASH_CEILING } from '../contenders/index.mjs';
import { PROCESS_ENVIRONMENT } from '../contenders/latchkey/environment.mjs';
import { runScript } from '../lib/processes.mjs';
import { quickChoice } from '../lib/quick.mjs';

/** POST login with as many connections as keep the hash busy, beside what the hash alone allows on that core. */
export function steps(bench, results) {
  const { rounds, loginWarm, loginSeconds, loginConnections } = bench.profile;
  const seconds = 1.5 + loginWarm + loginSeconds;
  const isChosen = quickChoice(bench);
  const contenders = bench.having((contender) => contender.login && isChosen(contender));
  if (contenders.length === 0) return [];
  results.contenders = {};
  results.ceiling = [];
  return Array.from({ length: rounds }, (_, round) => round + 1).flatMap((round) => [
    {
      label: `login, round ${round} of ${rounds}: argon2 alone`,
      seconds,
      run: async () => {
        const { perSecond, concurrency } = await runScript({
          name: 'hash-ceiling',
          script: HASH_CEILING,
          core: bench.cores.server,
          directory: bench.directory,
          env: {
            ...PROCESS_ENVIRONMENT,
            BENCH_VARIANT: `${loginWarm},${loginSeconds}`,
            BENCH_SECRET: bench.secret,
          },
        });
        results.ceiling.push(perSecond);
        results.concurrency = concurrency;
        return `${perSecond.toFixed(1)} hashes a second, ${concurrency} at a time`;
      },
    },
    ...contenders.map((contender) => ({
      label: `login, round ${round} of ${rounds}: ${contender.label}`,
      contender,
      seconds,
      run: async () => {
        const file = bench.data.get(contender.family).files.login;
        const spec = { file, connections: loginConnections, expect: contender.loginStatus };
        const run = await bench.withServer(contender, {}, async (server) => {
          await bench.measure(server, { ...spec, seconds: loginWarm });
          return bench.measureCalmly(server, { ...spec, seconds: loginSeconds });
        });
        (results.contenders[contender.id] ??= []).push(run);
        return `${run.perSecond.toFixed(1)} a second`;
      },
    })),
  ]);
}
