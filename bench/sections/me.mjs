import { readFile } from 'node:fs/promises';
import { CONTENDERS } from '../contenders/index.mjs';
import { quickChoice } from '../lib/quick.mjs';
import { meanRate } from '../lib/statistics.mjs';
import { inTurn, takeTurns } from '../lib/turns.mjs';
import { YARDSTICK } from '../lib/yardstick.mjs';

/** Those of whom something is promised, and whom it is promised against. */
const QUICK = [
  'nest-express-session',
  'better-auth-session',
  'better-auth-cookie-cache',
  'latchkey-session',
  'latchkey-session-bypassed',
  'latchkey-jwt',
];

/** GET /me with one client's credential, and with thousands in turn; each contender beside the yardstick. */
export function steps(bench, results) {
  const { processes, rounds, warm, seconds, credentials } = bench.profile;
  const isChosen = quickChoice(bench, QUICK);
  const yardstick = CONTENDERS.find(({ id }) => id === YARDSTICK);
  results[YARDSTICK] = { one: [], many: [] };
  const runBeside = (contender) =>
    bench.withServer(yardstick, {}, (bare) =>
      bench.withServer(contender, {}, (server) =>
        besideEachOther(bench, [contender, server], [yardstick, bare]),
      ),
    );
  return inTurn(
    'GET /me',
    processes,
    bench.having((contender) => contender !== yardstick && isChosen(contender)),
    {
      seconds: 3 + 8 * warm + 4.5 * rounds * seconds + credentials / 10_000,
      run: async (contender) => {
        const found = await runBeside(contender);
        const runs = (results[contender.id] ??= { one: [], many: [], beside: { one: [], many: [] } });
        for (const which of ['one', 'many']) {
          runs[which].push(...found[which][0]);
          runs.beside[which].push(...found[which][1]);
          results[YARDSTICK].one.push(...found[which][1]);
        }
        return say(found);
      },
    },
  );
}

async function besideEachOther(bench, [contender, server], [yardstick, bare]) {
  const { rounds, warm, seconds } = bench.profile;
  if (!contender.greeting) await checkThatItIsReal(server, bench.meFile(contender));
  const one = oneOf(bench, contender);
  const greeting = oneOf(bench, yardstick);
  const bareSlice = () => bench.measure(bare, { ...greeting, seconds });
  await bench.warmUp(bare, greeting);
  await bench.warmUp(server, one);
  await bench.measure(bare, { ...greeting, seconds: warm });
  const found = {
    one: await takeTurns(bench, rounds, () => bench.measure(server, { ...one, seconds }), bareSlice),
    many: [[], []],
  };
  if (contender.greeting) return found;
  const slice = await manyOf(bench, contender, server, bench.meFile(contender));
  return { ...found, many: await takeTurns(bench, rounds, slice, bareSlice) };
}

const oneOf = (bench, contender) => ({
  file: bench.meFile(contender),
  first: contender.greeting ? 1 : contender.one,
  connections: bench.profile.connections,
});

/** A slice with thousands of credentials in turn. Where they are remembered, for a minute, each is shown once before. */
export async function manyOf(bench, contender, server, file) {
  const { seconds, connections, credentials } = bench.profile;
  const spec = { file, connections };
  const remembers = contender.group === 'latchkey' && !contender.bypassed;
  await bench.measure(server, remembers ? { ...spec, count: credentials } : { ...spec, seconds });
  return () => bench.measure(server, { ...spec, seconds });
}

function say(found) {
  const told = ['one', 'many'].flatMap((which) => {
    const [runs, beside] = found[which];
    return runs.length === 0 ? [] : [(meanRate(runs) / meanRate(beside)).toFixed(3)];
  });
  return `${told[0]} of bare Nest on Fastify${told[1] ? `, ${told[1]} with many credentials` : ''}`;
}

/** The user's own view with the credential, and none without. */
async function checkThatItIsReal(server, file) {
  const [{ path, headers }] = JSON.parse(await readFile(file, 'utf8'));
  const url = `http://127.0.0.1:${server.port}${path}`;
  const [known, unknown] = await Promise.all([fetch(url, { headers }), fetch(url)]);
  const { email } = await known.json();
  if (known.status !== 200 || !email?.endsWith('@bench.example')) {
    throw new Error(`${server.name} answered GET ${path} with ${known.status} and no user`);
  }
  // Nest's AuthenticatedGuard of the tutorials says 401 here, and 403 where it returns false.
  if (unknown.status !== 401) {
    throw new Error(`${server.name} answered GET ${path} without a credential with ${unknown.status}`);
  }
}
