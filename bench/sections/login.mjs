import { HASH_CEILING } from '../contenders/index.mjs';
import { PROCESS_ENVIRONMENT } from '../contenders/latchkey/environment.mjs';
import { machineSince, machineTicks } from '../lib/machine.mjs';
import { NodeProcess } from '../lib/processes.mjs';
import { quickChoice } from '../lib/quick.mjs';
import { meanRate } from '../lib/statistics.mjs';
import { inTurn, takeTurns } from '../lib/turns.mjs';

/** The hash is one function of compiled code: it gets no faster by being called. */
const HASH_WARM_SECONDS = 1;

/** POST login with as many connections as keep the hash busy, beside what the hash alone allows on that core. */
export function steps(bench, results) {
  const { processes, loginRounds, loginWarm, loginSeconds } = bench.profile;
  const isChosen = quickChoice(bench);
  results.contenders = {};
  results.ceiling = [];
  return inTurn(
    'login',
    processes,
    bench.having((contender) => contender.login && isChosen(contender)),
    {
      isEnough: ({ group }) => group !== 'latchkey',
      seconds: 2 + loginWarm + HASH_WARM_SECONDS + 2 * loginRounds * loginSeconds,
      run: async (contender) => {
        const [runs, hashes] = await beside(bench, contender);
        const kept = (results.contenders[contender.id] ??= { runs: [], beside: [] });
        kept.runs.push(...runs);
        kept.beside.push(...hashes);
        results.ceiling.push(...hashes);
        results.concurrency = hashes[0].concurrency;
        return `${meanRate(runs).toFixed(1)} a second, argon2 alone ${meanRate(hashes).toFixed(1)}`;
      },
    },
  );
}

async function beside(bench, contender) {
  const { loginRounds, loginWarm, loginSeconds, loginConnections } = bench.profile;
  const file = bench.data.get(contender.family).files.login;
  const spec = { file, connections: loginConnections, expect: contender.loginStatus };
  const ceiling = new NodeProcess({
    name: `hash-ceiling-${contender.id}`,
    script: HASH_CEILING,
    core: bench.cores.server,
    directory: bench.directory,
    env: { ...PROCESS_ENVIRONMENT, BENCH_SECRET: bench.secret },
  });
  try {
    await ceiling.message('ready');
    return await bench.withServer(contender, {}, async (server) => {
      await bench.measure(server, { ...spec, seconds: loginWarm });
      await hashes(ceiling, HASH_WARM_SECONDS);
      return takeTurns(
        bench,
        loginRounds,
        () => bench.measure(server, { ...spec, seconds: loginSeconds }),
        () => hashes(ceiling, loginSeconds),
      );
    });
  } finally {
    await ceiling.stop();
  }
}

/** How many hashes a second, and what the host took meanwhile. */
async function hashes(process, seconds) {
  const before = machineTicks();
  process.send({ seconds });
  return { ...(await process.message('perSecond')), stolen: machineSince(before).stolen };
}
