import { setInterval, clearInterval } from 'node:timers';
import { setTimeout as delay } from 'node:timers/promises';
import { residentMebibytes } from '../lib/proc.mjs';
import { quickChoice } from '../lib/quick.mjs';

const SAMPLE_MILLISECONDS = 50;

/**
 * GET /me at a steady rate, calm and beside `stormLogins` parallel logins, in turn: latencies and memory. For Latchkey also with as
 * many GET /me as it can answer.
 */
export function steps(bench, results) {
  const { stormRounds, saturatedRounds, saturatedLoginWarm, stormSeconds, warm } = bench.profile;
  const isChosen = quickChoice(bench);
  return bench
    .having((contender) => contender.login && isChosen(contender))
    .map((contender) => {
      const rounds = stormRounds + (contender.group === 'latchkey' ? saturatedRounds : 0);
      return {
        label: `GET /me beside a storm of logins: ${contender.label}`,
        contender,
        seconds:
          4 +
          3 * warm +
          rounds * 2 * stormSeconds +
          (contender.group === 'latchkey' ? saturatedLoginWarm : 0),
        run: async () => {
          const result = await bench.withServer(contender, {}, (server) => weather(bench, contender, server));
          results[contender.id] = result;
          const { calm, storm } = result.steady;
          return `p99 ${calm.at(-1).latency.p99.toFixed(2)} ms, in the storm ${storm.at(-1).latency.p99.toFixed(2)} ms`;
        },
      };
    });
}

async function weather(bench, contender, server) {
  const { stormRounds, saturatedRounds, stormSeconds, stormRate, stormLogins, connections } = bench.profile;
  const { files } = bench.data.get(contender.family);
  const me = { file: bench.meFile(contender), first: contender.one };
  const logins = {
    file: files.login,
    connections: stormLogins,
    expect: contender.loginStatus,
    seconds: stormSeconds,
  };
  const kinds = { steady: { rounds: stormRounds, spec: { ...me, connections, rate: stormRate } } };
  if (contender.group === 'latchkey') {
    // After the steady rate, whose storm is where the memory is looked at.
    const beforehand = { ...logins, seconds: bench.profile.saturatedLoginWarm };
    kinds.saturated = { rounds: saturatedRounds, spec: { ...me, connections }, beforehand };
  }
  await delay(2000);
  const memory = { idle: residentMebibytes(server.pid) };
  await bench.warmUp(server, { ...me, connections });
  const result = { memory };
  for (const [kind, { rounds, spec, beforehand }] of Object.entries(kinds)) {
    const runs = (result[kind] = { calm: [], storm: [], logins: [] });
    // Until the engine has compiled a login, its pieces hold up the requests between them for longer.
    if (beforehand) await bench.load.run({ port: server.port, ...beforehand });
    await bench.rounds(rounds, async () => {
      runs.calm.push(await bench.measure(server, { ...spec, seconds: stormSeconds }));
      memory.before ??= residentMebibytes(server.pid);
      const { peak, outcome } = await watchingMemory(server.pid, () =>
        Promise.all([
          bench.measure(server, { ...spec, seconds: stormSeconds }),
          bench.load.run({ port: server.port, ...logins }),
        ]),
      );
      if (kind === 'steady') memory.peak = Math.max(memory.peak ?? 0, peak);
      const [storm, login] = outcome;
      runs.storm.push(storm);
      runs.logins.push(login);
      return [runs.calm.at(-1), storm];
    });
  }
  return result;
}

/** The highest resident memory of a process while `work` is done, in MiB. */
async function watchingMemory(pid, work) {
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, residentMebibytes(pid) ?? 0);
  };
  const timer = setInterval(look, SAMPLE_MILLISECONDS);
  try {
    const outcome = await work();
    look();
    return { peak, outcome };
  } finally {
    clearInterval(timer);
  }
}
