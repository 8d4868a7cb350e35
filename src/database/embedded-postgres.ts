import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { findBinaries, type PostgresBinaries } from './embedded-binaries.js';
import {
  createDirectory,
  createParent,
  inspectDirectory,
  problemIn,
  unusable,
} from './embedded-directory.js';
import { socketEndpoint, tcpEndpoint, addressesOf, type Endpoint } from './embedded-endpoint.js';
import { findLauncher, type Launcher } from './embedded-launcher.js';
import { claim, makeRoom, readPostmaster, runningPostmaster } from './embedded-occupant.js';
import { errorCode } from './error-code.js';
import type { Log } from './log.js';
import { StartError } from './start-error.js';

/** The database of the application on an embedded server. */
const DATABASE = 'latchkey';
/** How long a start is tried again while what is left of a killed server still holds its memory. */
const REMAINS_LIMIT_MS = 3_000;
const LOG_LIMIT_BYTES = 1_000_000;

/** What an {@link EmbeddedPostgres} is started with. */
export interface EmbeddedSettings {
  /** Where the data are kept. Made on first use; the server's own log is the file of that name with `.log`. */
  readonly directory: string;
  readonly log: Log;
  /** More settings of PostgreSQL (`-c name=value`), for tests. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How it is reached: a Unix socket, except on Windows. */
  readonly transport?: 'socket' | 'tcp';
}

/**
 * A real PostgreSQL that belongs to this process: started and stopped with it, started again when it dies. For
 * development and tests. One process has one data directory; a second one is refused.
 */
export class EmbeddedPostgres {
  #child: ChildProcess | undefined;
  #restart: Promise<void> | undefined;
  readonly #stopping = new AbortController();

  private constructor(
    /** Where the data are, absolute. */
    readonly directory: string,
    private readonly settings: EmbeddedSettings,
    private readonly binaries: PostgresBinaries,
    private readonly launcher: Launcher,
    private readonly endpoint: Endpoint,
  ) {}

  /** Starts it, and makes its data directory and database first where they are missing. Throws a StartError in one clear line. */
  static async start(settings: EmbeddedSettings): Promise<EmbeddedPostgres> {
    const directory = resolve(settings.directory);
    const binaries = await findBinaries();
    await createParent(directory);
    const owner = await inspectDirectory(directory, binaries.major);
    const launcher = await findLauncher(binaries.postgres, owner);
    const transport = settings.transport ?? (process.platform === 'win32' ? 'tcp' : 'socket');
    const endpoint = await (transport === 'tcp'
      ? tcpEndpoint(directory)
      : socketEndpoint(directory, launcher.user));
    const server = new EmbeddedPostgres(directory, settings, binaries, launcher, endpoint);
    try {
      if (owner === null) await createDirectory(directory, binaries, launcher, endpoint.authentication);
      await server.#launch();
      await server.#createDatabase();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** The address of the application's database; of another one on the same server with its name. */
  url(database = DATABASE): string {
    return this.endpoint.url(database);
  }

  /** The process id of the server; undefined while it is down or starts. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Ends it cleanly: connections are cut, everything is written. Safe to call more than once. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#restart;
    process.off('exit', this.#onExit);
    if (this.#child) await end(this.#child);
    this.#child = undefined;
    await this.endpoint.dispose();
  }

  async #launch(): Promise<void> {
    for (const until = performance.now() + REMAINS_LIMIT_MS; ; await delay(100)) {
      await makeRoom(this.directory, this.settings.log);
      const failure = await this.#tryLaunch();
      if (failure === null) return;
      const remains = /lock file .* already exists|pre-existing shared memory block/.test(failure);
      if (!remains || performance.now() > until) {
        throw new StartError(
          `the embedded PostgreSQL in ${this.directory} did not start: ${problemIn(failure)} (its log: ${this.directory}.log)`,
        );
      }
    }
  }

  /** Resolves to null when it runs, else to what it printed. */
  async #tryLaunch(): Promise<string | null> {
    const parameters = Object.entries({
      ...this.endpoint.settings,
      log_destination: 'stderr',
      logging_collector: 'off',
      ...this.settings.settings,
    }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const path = `${this.directory}.log`;
    const log = await open(path, 'a', 0o600).catch((error: unknown) => {
      throw unusable(this.directory, error);
    });
    try {
      if ((await log.stat()).size > LOG_LIMIT_BYTES) await log.truncate();
      const { size } = await log.stat();
      const child = this.launcher.start(
        this.binaries.postgres,
        ['-D', this.directory, ...parameters],
        log.fd,
      );
      if (!(await this.#becomesReady(child))) return (await readFile(path)).subarray(size).toString();
      this.#adopt(child);
      await claim(this.directory, child.pid ?? 0);
      return null;
    } finally {
      await log.close();
    }
  }

  async #becomesReady(child: ChildProcess): Promise<boolean> {
    child.once('error', () => {}); // the command was tried a moment ago; without a pid it counts as ended
    const start = performance.now();
    for (let told = false; child.pid !== undefined && !hasEnded(child); await delay(10)) {
      const postmaster = await readPostmaster(this.directory);
      if (postmaster?.pid === child.pid && postmaster.ready) return true;
      if (!told && performance.now() - start > 2_000) {
        told = true;
        this.settings.log(
          'the embedded PostgreSQL is still starting (it may be repairing itself after a crash)',
        );
      }
    }
    return false;
  }

  #adopt(child: ChildProcess): void {
    child.unref(); // it does not keep this process alive: the exit hook ends it
    child.once('exit', (code, signal) => {
      this.#child = undefined;
      if (!this.#stopping.signal.aborted) this.#restart = this.#launchAgain(signal ?? `code ${code}`);
    });
    this.#child = child;
    process.off('exit', this.#onExit).once('exit', this.#onExit);
  }

  readonly #onExit = (): void => void this.#child?.kill('SIGINT');

  async #launchAgain(ending: string): Promise<void> {
    const { signal } = this.#stopping;
    this.settings.log(`the embedded PostgreSQL ended by itself (${ending}); starting it again`);
    for (let pause = 200; !signal.aborted; pause = Math.min(5_000, pause * 2)) {
      try {
        await this.#launch();
        this.settings.log('the embedded PostgreSQL is back');
        return;
      } catch (error) {
        this.settings.log(error instanceof Error ? error.message : String(error));
        await delay(pause, undefined, { signal }).catch(() => {});
      }
    }
  }

  async #createDatabase(): Promise<void> {
    const client = new pg.Client({ connectionString: this.url('postgres'), connectionTimeoutMillis: 10_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
      if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
    } catch (error) {
      if (errorCode(error) !== '42P04') throw error; // made in the meantime
    } finally {
      await client.end();
    }
  }
}

/** The addresses on the embedded server that another process runs on that directory; null when none does. */
export async function findRunningEmbedded(directory: string): Promise<Pick<EmbeddedPostgres, 'url'> | null> {
  const postmaster = await runningPostmaster(resolve(directory));
  if (!postmaster?.ready) return null;
  const url = await addressesOf(resolve(directory), postmaster);
  return { url: (database = DATABASE) => url(database) };
}

async function end(child: ChildProcess): Promise<void> {
  child.ref();
  // Fast shutdown, immediate shutdown (repaired at the next start), and the last resort.
  for (const [signal, milliseconds] of [
    ['SIGINT', 10_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    if (hasEnded(child)) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await Promise.race([ended, delay(milliseconds, undefined, { ref: false })]);
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
