import { parseArgs } from 'node:util';

/** Shorter than this nothing settles. */
const LEAST_MINUTES = 1;

export const HELP = `One production node with a heap of 256 MB, on a real PostgreSQL, under 70 % of the load that it can take: is it at the end what it was
at the start?

npm run soak                      15 minutes
npm run soak -- --minutes 2       as in CI; at least ${LEAST_MINUTES}
npm run soak -- --leak 2048       loses so many bytes with each request in the node: has to fail, or the check is worth nothing
npm run soak -- --help

BENCH_DATABASE_URL     a PostgreSQL to use instead of the embedded one; its user must be allowed to create databases

The last line is "N passed, N failed". Exit code: 0 all held, 1 something did not.`;

/** What the command line asks for. @throws Error with one line for the user */
export function readOptions(parameters) {
  const { values } = parseArgs({
    args: parameters,
    options: {
      minutes: { type: 'string', default: '15' },
      leak: { type: 'string', default: '0' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const minutes = Number(values.minutes);
  if (!(minutes >= LEAST_MINUTES))
    throw new Error(`--minutes: ${values.minutes} is not a number of at least ${LEAST_MINUTES}`);
  const leakBytes = Number(values.leak);
  if (!Number.isSafeInteger(leakBytes) || leakBytes < 0)
    throw new Error(`--leak: ${values.leak} is not a number of bytes`);
  return { help: values.help, minutes, leakBytes };
}
