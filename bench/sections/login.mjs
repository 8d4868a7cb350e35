import { HASH_CEILING } from '../contenders/index.mjs';
import { PROCESS_ENVIRONMENT } from '../contenders/latchkey/environment.mjs';
import { Lineup } from '../lib/lineup.mjs';
import { NodeProcess } from '../lib/processes.mjs';
import { quickChoice } from '../lib/quick.mjs';

const CEILING = { key: 'ceiling', label: 'argon2 alone' };

/** POST login with as many connections as keep the hash busy, beside what the hash alone allows on that core. */
export function steps(bench, results) {
  const { rounds, loginWarm, loginSeconds, loginConnections } = bench.profile;
  const isChosen = quickChoice(bench);
  const entries = bench
    .having((contender) => contender.login && isChosen(contender))
    .map((contender) => ({ key: contender.id, label: contender.label, contender }));
  if (entries.length === 0) return [];
  results.contenders = {};
  results.ceiling = [];
  const loginSpec = ({ family, loginStatus }) => ({
    file: bench.data.get(family).files.login,
    connections: loginConnections,
    expect: loginStatus,
  });
  const lineup = new Lineup(async ({ contender }) => {
    if (!contender) return startCeiling(bench);
    const server = await bench.server(contender);
    await bench.measure(server, { ...loginSpec(contender), seconds: loginWarm });
    return server;
  });
  return lineup.steps('login', [CEILING, ...entries], {
    rounds,
    startSeconds: 1.5 + loginWarm,
    seconds: loginSeconds,
    slice: async ({ contender }, server) => {
      if (!contender) {
        const { perSecond, concurrency } = await hashes(server, loginSeconds);
        results.ceiling.push(perSecond);
        results.concurrency = concurrency;
        return `${perSecond.toFixed(1)} hashes a second, ${concurrency} at a time`;
      }
      const run = await bench.measure(server, { ...loginSpec(contender), seconds: loginSeconds });
      (results.contenders[contender.id] ??= []).push(run);
      return `${run.perSecond.toFixed(1)} a second`;
    },
  });
}

async function startCeiling(bench) {
  const process = new NodeProcess({
    name: 'hash-ceiling',
    script: HASH_CEILING,
    core: bench.cores.server,
    directory: bench.directory,
    env: { ...PROCESS_ENVIRONMENT, BENCH_SECRET: bench.secret },
  });
  await process.message('ready');
  await hashes(process, bench.profile.loginWarm);
  return process;
}

function hashes(process, seconds) {
  process.send({ seconds });
  return process.message('perSecond');
}
