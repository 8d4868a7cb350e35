import { readFile } from 'node:fs/promises';
import { Lineup } from '../lib/lineup.mjs';
import { quickChoice } from '../lib/quick.mjs';

/** GET /me with one client's credential, and with thousands in turn. */
export function steps(bench, results) {
  const { rounds, warm, seconds, credentials } = bench.profile;
  const entries = bench
    .having(quickChoice(bench, QUICK))
    .map((contender) => ({ key: contender.id, label: contender.label, contender }));
  const lineup = new Lineup(({ contender }) => startWarm(bench, contender));
  return lineup.steps('GET /me', entries, {
    rounds,
    startSeconds: 1.5 + 4 * warm,
    seconds: 2 * seconds + credentials / 20_000,
    slice: async ({ contender }, server) => {
      const { one, many } = await measureOne(bench, contender, server);
      const runs = (results[contender.id] ??= { one: [], many: [] });
      runs.one.push(one);
      if (many) runs.many.push(many);
      return `${Math.round(one.perSecond).toLocaleString('en')} a second${
        many ? `, ${Math.round(many.perSecond).toLocaleString('en')} with many credentials` : ''
      }`;
    },
  });
}

/** Those of whom something is promised, and whom it is promised against. */
const QUICK = [
  'nest-fastify',
  'nest-express-session',
  'better-auth-session',
  'better-auth-cookie-cache',
  'latchkey-session',
  'latchkey-session-bypassed',
  'latchkey-jwt',
  'latchkey-both',
];

async function startWarm(bench, contender) {
  const server = await bench.server(contender);
  try {
    if (!contender.greeting) await checkThatItIsReal(server, bench.meFile(contender));
    await bench.warmUp(server, oneOf(bench, contender));
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function measureOne(bench, contender, server) {
  const one = await bench.measure(server, { ...oneOf(bench, contender), seconds: bench.profile.seconds });
  if (contender.greeting) return { one };
  return { one, many: await measureMany(bench, contender, server, bench.meFile(contender)) };
}

const oneOf = (bench, contender) => ({
  file: bench.meFile(contender),
  first: contender.greeting ? 1 : contender.one,
  connections: bench.profile.connections,
});

/** Where credentials are remembered, for a minute, every one is shown first; then in turn. */
export async function measureMany(bench, contender, server, file) {
  const { seconds, connections, credentials } = bench.profile;
  const spec = { file, connections };
  if (contender.group === 'latchkey' && !contender.bypassed) {
    await bench.measure(server, { ...spec, seconds: 20, count: credentials });
  }
  return bench.measure(server, { ...spec, seconds });
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
