import { parseArgs } from 'node:util';

/** How much is measured. Times in seconds. */
const PROFILES = {
  full: {
    processes: 2,
    rounds: 12,
    warm: 1,
    warmMost: 8,
    seconds: 0.3,
    connections: 32,
    credentials: 10_000,
    sqlRequests: 1000,
    loginRounds: 8,
    // The engine compiles what a login runs through for as long as that, of everybody: a server that hashes answers few of them a second.
    loginWarm: 120,
    loginSeconds: 1.2,
    loginConnections: 8,
    refreshRounds: 3,
    refreshes: 10_000,
    refreshConnections: 16,
    stormRounds: 6,
    // The middle of several tails: one bad moment of the machine decides the tail of a slice.
    saturatedRounds: 9,
    saturatedLoginWarm: 40,
    stormSeconds: 2.5,
    stormRate: 500,
    stormLogins: 32,
    timingPairs: 200,
    startRounds: 7,
    rows: 1_000_000,
    rowsProcesses: 3,
    endings: 1000,
    endingsBySql: 200,
    endingsRate: 1000,
  },
  quick: {
    processes: 1,
    rounds: 4,
    warm: 0.5,
    warmMost: 1.5,
    seconds: 0.3,
    connections: 32,
    credentials: 1000,
    sqlRequests: 100,
    loginRounds: 3,
    loginWarm: 0.5,
    loginSeconds: 1,
    loginConnections: 8,
    refreshRounds: 1,
    refreshes: 500,
    refreshConnections: 16,
    stormRounds: 1,
    saturatedRounds: 1,
    saturatedLoginWarm: 0.5,
    stormSeconds: 1.5,
    stormRate: 500,
    stormLogins: 32,
    timingPairs: 20,
    startRounds: 1,
    rows: 10_000,
    rowsProcesses: 1,
    endings: 100,
    endingsBySql: 20,
    endingsRate: 500,
  },
};

export const SECTIONS = ['me', 'sql', 'login', 'refresh', 'storm', 'timing', 'start', 'rows', 'endings'];

export const HELP = `Latchkey beside what people use today. A real PostgreSQL, each contender in a process of its own, in turn.

npm run bench                          everything, fifty minutes to an hour; writes docs/performance/
npm run bench -- --quick               everything in small, under 3 minutes; writes nothing
npm run bench -- --only a,b            only these contenders or measurements (or both); writes nothing
npm run bench -- --rounds 20           of GET /me; also --seconds 2 in each, --processes 5 of everybody, --rows 5000000
npm run bench -- --out folder          writes results.md, chart.svg and results.json there
npm run bench -- --list                the names for --only
npm run bench -- --help

BENCH_DATABASE_URL     a PostgreSQL to use instead of the embedded one; its user must be allowed to create databases

The server gets a core of its own and the load another where taskset (util-linux) is there. Exit code 1: something could not be
started or measured. The first run installs the contenders (npm ci in bench/) and builds Latchkey.`;

/** What the command line asks for. @throws Error with one line for the user */
export function readOptions(parameters, contenderIds) {
  const { values } = parseArgs({
    args: parameters,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      out: { type: 'string' },
      processes: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      rows: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const profile = { quick: values.quick, ...PROFILES[values.quick ? 'quick' : 'full'] };
  for (const name of ['processes', 'rounds', 'seconds', 'rows']) {
    if (values[name] === undefined) continue;
    const number = Number(values[name]);
    if (!(number > 0)) throw new Error(`--${name}: ${values[name]} is not a number above 0`);
    profile[name] = name === 'seconds' ? number : Math.ceil(number);
  }
  const only = values.only?.split(',').map((name) => name.trim());
  const unknown = only?.filter((name) => !SECTIONS.includes(name) && !contenderIds.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(
      `--only: ${unknown.join(', ')} is neither a contender nor a measurement; --list shows them`,
    );
  }
  const chosen = (names) => {
    const some = names.filter((name) => only?.includes(name));
    return some.length > 0 ? some : names;
  };
  return {
    ...values,
    profile,
    contenders: chosen(contenderIds),
    sections: chosen(SECTIONS),
    isComplete: !values.quick && only === undefined,
  };
}
