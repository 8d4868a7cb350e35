import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Postgres } from '../../bench/lib/postgres.mjs';
import { summary } from '../../bench/lib/statistics.mjs';
import { drift, percent, verdicts } from './checks.mjs';
import { Tally } from './client.mjs';
import { Load } from './load.mjs';
import { Subject } from './subject.mjs';

/** Share of the highest rate. */
const LOAD = 0.7;
/** How many clients at once are tried for the highest rate. */
const TRIED = [4, 8, 16];
/** Shares of the whole time: finding the rate, and until caches, code and pools are what they will be. */
const CALIBRATION = 0.12;
const WARM_UP = 0.3;
const SAMPLES = 60;
/** Database connections that nobody needs are closed after 30 s. */
const SETTLE_MILLISECONDS = 90_000;

/** Runs it and gives the exit code. */
export async function soak({ minutes, leakBytes }) {
  const directory = mkdtempSync(join(tmpdir(), 'lk-soak-'));
  let postgres, subject;
  const end = async () => {
    const exit = await subject?.stop();
    await postgres?.stop();
    rmSync(directory, { recursive: true, force: true });
    return exit;
  };
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => void end().finally(() => process.exit(1)));
  try {
    postgres = await Postgres.start({ directory, core: null });
    subject = await Subject.start({ postgres, directory, leakBytes });
    console.log(`${postgres.text}; node ${process.version} with a heap of 256 MB, pid ${subject.pid}`);
    const outcome = await observe(subject, minutes * 60);
    const exit = await subject.stop();
    for (const line of subject.failures.slice(0, 5)) console.log(line);
    return report(verdicts({ ...outcome, errors: subject.errors, exit }));
  } catch (error) {
    console.error(error.stack);
    console.log('\n0 passed, 1 failed');
    return 1;
  } finally {
    await end();
  }
}

async function observe(subject, seconds) {
  const tally = new Tally();
  const load = new Load(subject.port, tally);
  try {
    const before = await subject.holdings();
    console.log(`without clients it holds ${JSON.stringify(before)}`);
    await load.signUp();
    const rate = (await highestRate(load, seconds * CALIBRATION)) * LOAD;
    const warmUp = seconds * WARM_UP;
    console.log(`warming up for ${Math.round(warmUp)} s at ${Math.round(rate)} requests a second`);
    await load.at(rate, warmUp);
    const samples = await sampled(subject, load, tally, rate, seconds * (1 - CALIBRATION - WARM_UP));
    load.close();
    return { samples, tally, before, after: await settled(subject, before) };
  } finally {
    load.stop();
  }
}

async function highestRate(load, seconds) {
  let highest = 0;
  for (const clients of TRIED) {
    const rate = await load.asFastAsItGoes(clients, seconds / TRIED.length);
    console.log(`${clients} clients at once: ${Math.round(rate)} answers a second`);
    highest = Math.max(highest, rate);
  }
  return highest;
}

/** Drives the load and measures again and again; prints a line for every tenth of the time. */
async function sampled(subject, load, tally, rate, seconds) {
  const samples = [];
  const interval = seconds / SAMPLES;
  console.log(
    '\n| s | requests | a second | live MiB | RSS MiB | p50 ms | p99 ms |\n|---:|---:|---:|---:|---:|---:|---:|',
  );
  const begin = performance.now();
  let done = tally.answers;
  let since = begin;
  tally.begin();
  const driving = load.at(rate, seconds);
  for (let i = 1; i <= SAMPLES; i++) {
    await delay(Math.max(0, begin + i * interval * 1000 - performance.now()));
    samples.push(await subject.measure());
    if (i % (SAMPLES / 12) !== 0) continue;
    const { live, rss } = samples.at(-1);
    const { p50, p99 } = summary(tally.latencies);
    const now = performance.now();
    const perSecond = ((tally.answers - done) / (now - since)) * 1000;
    const cells = [(now - begin) / 1000, tally.answers, perSecond].map((value) => value.toFixed(0));
    console.log(`| ${[...cells, ...[live, rss, p50, p99].map((value) => value.toFixed(1))].join(' | ')} |`);
    [done, since] = [tally.answers, now];
    tally.begin();
  }
  await driving;
  console.log(
    `\nlive memory ${percent(drift(samples, 'live'))}, RSS ${percent(drift(samples, 'rss'))}; requests by kind: ${JSON.stringify(tally.kinds)}`,
  );
  return samples;
}

/** What the node holds without clients, once it has given up what it no longer needs. */
async function settled(subject, before) {
  console.log(
    `waiting for the node to give up what it holds for its clients (up to ${SETTLE_MILLISECONDS / 1000} s)`,
  );
  for (const until = performance.now() + SETTLE_MILLISECONDS; ; await delay(500)) {
    const now = await subject.holdings();
    if (performance.now() > until || Object.keys(now).every((what) => now[what] <= before[what])) {
      console.log(`without clients it holds ${JSON.stringify(now)}`);
      return now;
    }
  }
}

function report(list) {
  console.log('');
  for (const [what, wrong] of list) console.log(wrong === null ? `ok   ${what}` : `BAD  ${what}: ${wrong}`);
  const failed = list.filter(([, wrong]) => wrong !== null).length;
  console.log(`\n${list.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}
