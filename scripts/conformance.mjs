// npm run conformance -- <file>: the conformance suite on one strategy from a file, which may lie anywhere.
// What is asked of it: test/conformance; docs/adding-a-strategy.md. Exit code: 0 all held, 1 something did not, 2 could not be tried.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { register } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs, stripVTControlCharacters } from 'node:util';

const ROOT = resolve(import.meta.dirname, '..');
const HELP = `npm run conformance -- <file> [--only <row>] [--verbose]

Runs the conformance suite on the strategy that the file exports (TypeScript or JavaScript, one class) and prints what held.
The file may lie anywhere. It imports Latchkey's own parts as if it stood in src/auth/strategies.

  --only <row>   only this row of the table; may be given again
  --verbose      what exactly did not hold
  --help

Exit code: 0 all held, 1 something did not hold, 2 the file could not be tried.`;

const FAILED = 1;
const USAGE = 2;

const CALLED_FROM = process.cwd();
// Where the settings of the compiler are looked for.
process.chdir(ROOT);
register('@swc-node/register/esm', import.meta.url);
const { LOOKING_BACK, PROPERTIES, propertyOf } = await import('../test/conformance/properties.ts');
const ROWS = PROPERTIES.map(([row]) => row);

process.exitCode = await main();

async function main() {
  let options;
  try {
    options = readOptions();
  } catch (error) {
    return unusable(`${error.message}\nnpm run conformance -- --help`);
  }
  if (options === null) {
    console.log(HELP);
    return 0;
  }
  const { file, only, verbose } = options;
  const scratch = mkdtempSync(join(tmpdir(), 'lk-conformance-'));
  try {
    // A copy with a known ending: whether .js means a module would depend on a package.json above it.
    copyFileSync(file, join(scratch, 'strategy.ts'));
    const { said, tests, output } = await run(scratch, file, only);
    if (said?.unusable !== undefined || tests.length === 0) {
      const reason = said?.unusable ?? `the suite did not run:\n${output}`;
      return unusable(`${file} cannot be tried: ${stripVTControlCharacters(reason)}`);
    }
    return print(said.name, tests, only, verbose);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** @returns null for --help. @throws Error with one line for the user */
function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string', multiple: true, default: [] },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return null;
  const [path, ...others] = positionals;
  if (path === undefined || others.length > 0) throw new Error('exactly one file is needed');
  const unknown = values.only.filter((row) => !ROWS.includes(row));
  if (unknown.length > 0) throw new Error(`--only: no row "${unknown[0]}"; there are: ${ROWS.join(', ')}`);
  // npm runs scripts in the folder of package.json, and says here where it was called.
  const from = process.env.npm_lifecycle_event === 'conformance' ? process.env.INIT_CWD : undefined;
  const file = resolve(from ?? CALLED_FROM, path);
  if (!existsSync(file)) throw new Error(`${file}: no such file`);
  if (!statSync(file).isFile()) throw new Error(`${file} is not a file`);
  if (!/\.[cm]?[jt]s$/.test(file)) throw new Error(`${file} is neither TypeScript nor JavaScript`);
  return { file, only: values.only, verbose: values.verbose };
}

/** The suite, in a process of its own. `said` is what the file turned out to be. */
async function run(scratch, file, only) {
  const [json, report] = [join(scratch, 'results.json'), join(scratch, 'report.json')];
  const titles = PROPERTIES.filter(([row]) => only.includes(row)).map(([, { source }]) => source);
  const parameters = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  parameters.push(
    join(ROOT, 'node_modules/jest/bin/jest.js'),
    '--config',
    join(ROOT, 'test/conformance/jest.config.js'),
  );
  parameters.push('--silent', '--json', `--outputFile=${json}`);
  const asksForAll = only.length === 0 || only.some((row) => LOOKING_BACK.includes(row));
  if (!asksForAll) parameters.push(`--testNamePattern=${titles.join('|')}`);
  const child = spawn(process.execPath, parameters, {
    cwd: ROOT,
    env: {
      ...process.env,
      LATCHKEY_STRATEGY_FILE: join(scratch, 'strategy.ts'),
      LATCHKEY_STRATEGY_ORIGIN: dirname(file),
      LATCHKEY_STRATEGY_REPORT: report,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (chunk) => (output += chunk));
  await new Promise((done) => child.once('close', done));
  const said = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined;
  const results = existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')).testResults : [];
  return { said, output, tests: results.flatMap(({ assertionResults }) => assertionResults) };
}

/** The table. */
function print(name, tests, only, verbose) {
  console.log(`strategy "${name}"\n`);
  const width = Math.max(...ROWS.map(({ length }) => length));
  let broken = 0;
  const rowOf = ({ fullName }) => propertyOf(fullName) ?? 'other';
  const rows = tests.some((test) => rowOf(test) === 'other') ? [...ROWS, 'other'] : ROWS;
  for (const row of rows) {
    const own = tests.filter((test) => rowOf(test) === row);
    const failed = own.filter(({ status }) => status === 'failed');
    const passed = own.filter(({ status }) => status === 'passed');
    const isAsked = only.length === 0 || only.includes(row);
    if (isAsked && (failed.length > 0 || passed.length === 0)) broken += 1;
    const verdict = !isAsked
      ? 'not asked'
      : failed.length > 0
        ? 'NO'
        : passed.length > 0
          ? 'held'
          : 'NOT RUN';
    console.log(
      `${row.padEnd(width)}  ${verdict}${failed.length > 0 ? `  (${failed.length} of ${own.length})` : ''}`,
    );
    for (const { title, failureMessages } of failed) {
      console.log(`${' '.repeat(width)}    ${title}`);
      if (verbose)
        console.log(
          stripVTControlCharacters(failureMessages.join('\n')).replaceAll(/^/gm, ' '.repeat(width + 6)),
        );
    }
  }
  console.log(
    broken === 0 ? '\nall held' : `\n${broken} did not hold${verbose ? '' : '; --verbose says what exactly'}`,
  );
  return broken === 0 ? 0 : FAILED;
}

function unusable(text) {
  console.error(text);
  return USAGE;
}
