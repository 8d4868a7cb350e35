import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CONTENDERS } from '../contenders/index.mjs';
import { steps as endings } from '../sections/endings.mjs';
import { steps as login } from '../sections/login.mjs';
import { steps as me } from '../sections/me.mjs';
import { steps as refresh } from '../sections/refresh.mjs';
import { steps as rows } from '../sections/rows.mjs';
import { steps as seed } from '../sections/seed.mjs';
import { steps as sql } from '../sections/sql.mjs';
import { steps as start } from '../sections/start.mjs';
import { steps as storm } from '../sections/storm.mjs';
import { steps as timing } from '../sections/timing.mjs';
import { Bench } from './bench.mjs';
import { chart } from './chart.mjs';
import { Progress } from './progress.mjs';
import { report } from './report.mjs';
import { surroundings } from './surroundings.mjs';

const MEASUREMENTS = { me, sql, login, refresh, storm, timing, start, rows, endings };
const DOCUMENTS = fileURLToPath(new URL('../../docs/performance/', import.meta.url));

/** Share of the machine from which other work, or the host of a virtual machine, disturbs. */
const BUSY = 0.1;

/** Runs what was asked for and gives the exit code. */
export async function main(options) {
  const { profile, sections } = options;
  const contenders = CONTENDERS.filter(({ id }) => options.contenders.includes(id));
  const bench = await Bench.start(profile, contenders);
  stopOnSignal(bench);
  const began = Date.now();
  const results = Object.fromEntries(sections.map((name) => [name, {}]));
  try {
    console.log(`${bench.postgres.text}; ${bench.cores.text}`);
    const { worked, stolen } = bench.before;
    if (worked + stolen > BUSY) {
      console.error(
        `The machine is busy: ${Math.round(worked * 100)} % with other work, ${Math.round(stolen * 100)} % taken by its host. The figures will be worth little.`,
      );
    }
    const all = [...seed(bench), ...sections.flatMap((name) => MEASUREMENTS[name](bench, results[name]))];
    const progress = new Progress(all, () => bench.isStopping);
    await progress.run();
    if (bench.isStopping) return 1;
    const run = {
      surroundings: surroundings(bench),
      profile,
      minutes: (Date.now() - began) / 60_000,
      results,
      failures: progress.failures,
      repeated: progress.repeated,
    };
    await publish(run, options);
    return progress.failures.length > 0 ? 1 : 0;
  } finally {
    await bench.stop();
  }
}

async function publish(run, { out, isComplete }) {
  const text = report(run);
  console.log(`
${text}`);
  const folder = out ? resolve(out) : isComplete ? DOCUMENTS : null;
  if (folder === null) return;
  if (run.failures.length > 0 && !out) {
    console.error('Nothing is written to docs/performance/: the run is not complete.');
    return;
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'results.md'), await formatted(text, 'markdown'));
  // Every slice of every run, a megabyte: for whoever asks for it, not for the repository.
  if (out) writeFileSync(join(folder, 'results.json'), JSON.stringify(run));
  const picture = chart(run);
  if (picture) writeFileSync(join(folder, 'chart.svg'), picture);
  console.log(`written to ${folder}`);
}

/** As `npm run check:format` wants it, where the project's Prettier is installed. */
async function formatted(text, parser) {
  try {
    const { format, resolveConfig } = await import('prettier');
    return await format(text, { ...(await resolveConfig(DOCUMENTS)), parser });
  } catch {
    return text;
  }
}

/** Ctrl-C ends what was started, and the folder of the run, before us. */
function stopOnSignal(bench) {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      console.error(`\n${signal}: stopping ...`);
      bench.isStopping = true;
      void bench.stop().finally(() => process.exit(1));
    });
  }
}
