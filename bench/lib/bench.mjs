import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seedScript } from '../contenders/index.mjs';
import { PROCESS_ENVIRONMENT } from '../contenders/latchkey/environment.mjs';
import { pin, planCores } from './cores.mjs';
import { Load } from './load.mjs';
import { machineNow, machineSince, machineTicks } from './machine.mjs';
import { Postgres } from './postgres.mjs';
import { cpuSeconds } from './proc.mjs';
import { NodeProcess, runScript } from './processes.mjs';

const SEED_LIMIT_MILLISECONDS = 15 * 60_000;
/** Share of the cores' time. Where the host took more from a round it is no good. */
export const NOISE = 0.05;
const GREETING = [{ path: '/' }];

/** What all measurements share: a database server, a load process, and a folder that is gone afterwards. */
export class Bench {
  /** Of each family: its database and the files of requests. */
  data = new Map();
  secret = randomBytes(32).toString('base64url');
  /** Somebody has asked for the end. */
  isStopping = false;
  #started = 0;
  #stopped;

  static async start(profile, contenders) {
    const bench = new Bench();
    bench.before = await machineNow();
    bench.profile = profile;
    bench.contenders = contenders;
    bench.cores = planCores();
    bench.directory = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
    bench.requests = join(bench.directory, 'requests');
    mkdirSync(bench.requests);
    bench.greeting = join(bench.requests, 'greeting.json');
    writeFileSync(bench.greeting, JSON.stringify(GREETING));
    pin(process.pid, bench.cores.database);
    try {
      bench.postgres = await Postgres.start({ directory: bench.directory, core: bench.cores.database });
      bench.load = await Load.start({ core: bench.cores.load, directory: bench.directory });
    } catch (error) {
      await bench.stop();
      throw error;
    }
    return bench;
  }

  /** The contenders of this run that have what is asked. */
  having(predicate) {
    return this.contenders.filter(predicate);
  }

  /** Makes and fills the database of a family. `rows`: how many users and sessions Latchkey's is to have in all. */
  async seed(family, { name = family, rows } = {}) {
    const database = await this.postgres.create(name.replaceAll('-', '_'));
    const { files } = await runScript(
      {
        name: `seed-${name}`,
        script: seedScript(family),
        core: null,
        directory: this.directory,
        env: {
          BENCH_DATABASE_URL: database.url,
          BENCH_SECRET: this.secret,
          BENCH_COUNT: String(this.profile.credentials),
          BENCH_REQUESTS_DIRECTORY: this.requests,
          BENCH_VARIANT: name,
          ...(rows && { BENCH_ROWS: String(rows) }),
        },
      },
      SEED_LIMIT_MILLISECONDS,
    );
    this.data.set(name, { database, files });
  }

  /** Starts a contender's server on its core. `data`: a database other than its family's. @throws StartFailure */
  async server(contender, { data = contender.family } = {}) {
    const server = new NodeProcess({
      name: `${contender.id}-${++this.#started}`,
      script: contender.script,
      core: this.cores.server,
      directory: this.directory,
      env: {
        ...(contender.group === 'latchkey' && PROCESS_ENVIRONMENT),
        BENCH_SECRET: this.secret,
        ...(contender.variant && { BENCH_VARIANT: contender.variant }),
        ...(data && { BENCH_DATABASE_URL: this.data.get(data).database.url }),
      },
    });
    try {
      const { port } = await server.message('ready');
      server.port = port;
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** Starts a server, works with it, and stops it. */
  async withServer(contender, options, work) {
    const server = await this.server(contender, options);
    try {
      return await work(server);
    } finally {
      await server.stop();
    }
  }

  /** The file of a contender's GET /me requests. */
  meFile(contender, data = contender.family) {
    return contender.greeting ? this.greeting : this.data.get(data).files[contender.me];
  }

  /**
   * Runs a load and says what it cost: CPU microseconds per request of server and database, and how busy server and load were.
   * @throws when an answer was not the expected one: a fast refusal is no result
   */
  async measure(server, spec) {
    const before = {
      machine: machineTicks(),
      server: cpuSeconds(server.pid),
      database: this.postgres.cpuSeconds(),
    };
    const result = await this.load.run({ port: server.port, ...spec });
    const after = { server: cpuSeconds(server.pid), database: this.postgres.cpuSeconds() };
    const [used, usedByDatabase] = ['server', 'database'].map((who) =>
      before[who] === null ? null : after[who] - before[who],
    );
    const failures = Object.entries(result.failures);
    if (failures.length > 0) {
      throw new Error(
        `${server.name} answered otherwise than with ${spec.expect ?? 200}: ${failures
          .map(([what, count]) => `${count} times ${what}`)
          .join(', ')}\n${server.logTail()}`,
      );
    }
    const { requests, seconds, loadCpuSeconds } = result;
    return {
      ...result,
      cpuMicroseconds: used === null ? null : (used / requests) * 1e6,
      databaseMicroseconds: usedByDatabase === null ? null : (usedByDatabase / requests) * 1e6,
      serverBusy: used === null ? null : used / seconds,
      loadBusy: loadCpuSeconds / seconds,
      stolen: machineSince(before.machine).stolen,
    };
  }

  /**
   * Rounds of a measurement: `count` in which the host of the machine took next to nothing, and half as many more at the most for
   * those in which it took more. A quick run has no time for that. `round(index)` gives its runs, each with what was `stolen`.
   */
  async rounds(count, round) {
    const most = this.profile.quick ? count : Math.ceil(count * 1.5);
    for (let done = 0, quiet = 0; done < most && quiet < count; done++) {
      const runs = await round(done);
      const stolen = runs.reduce((sum, run) => sum + run.stolen, 0) / runs.length;
      if (stolen <= NOISE) quiet++;
    }
  }

  /**
   * Warms a server up in slices of `warm` seconds: until one is no more than 3 % better than the best before it, which takes a fast server
   * a moment and a slow one several, and `warmMost` seconds at the most.
   */
  async warmUp(server, spec) {
    const { warm, warmMost } = this.profile;
    for (let best = 0, spent = 0; spent < warmMost; spent += warm) {
      const { perSecond } = await this.measure(server, { ...spec, seconds: warm });
      if (perSecond < best * 1.03) return;
      best = perSecond;
    }
  }

  /** Safe to call more than once. */
  stop() {
    this.#stopped ??= (async () => {
      await this.load?.stop();
      await this.postgres?.stop();
      rmSync(this.directory, { recursive: true, force: true });
    })();
    return this.#stopped;
  }
}
