import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { findRunningEmbedded } from '../../../dist/src/database/embedded-postgres.js';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'dist', 'src', 'main.js');
const START_LIMIT_MS = 60_000;

/** The built application as an operator starts it: a process of its own, with its own embedded PostgreSQL. */
export class Api {
  #directory = mkdtempSync(join(tmpdir(), 'lk-browser-'));
  #environment;
  #child;
  #output = '';
  #marks = 0;
  #sql;

  /** @param {number} port Where it listens, on 127.0.0.1. @param {Record<string, string>} environment Its settings. */
  constructor(port, environment) {
    this.port = port;
    this.#environment = environment;
    // When a run is cut short: the application then ends its PostgreSQL by itself.
    process.once('exit', () => this.#child?.kill('SIGTERM'));
    process.once('SIGTERM', () => process.exit(143));
  }

  /** Resolves when it answers. */
  async start() {
    // In the data directory there is no .env file of a developer.
    this.#child = spawn(process.execPath, [MAIN], {
      cwd: this.#directory,
      env: {
        PATH: process.env.PATH,
        PORT: String(this.port),
        DATA_DIR: this.#directory,
        THROTTLE: 'off',
        LOG_LEVEL: 'debug',
        LOG_FORMAT: 'json',
        ...this.#environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on('data', (chunk) => (this.#output += chunk));
    }
    for (const until = Date.now() + START_LIMIT_MS; !(await this.#isReady()); await delay(50)) {
      if (this.#child.exitCode !== null || Date.now() > until) {
        throw new Error(`the application did not start:\n${this.#output}`);
      }
    }
  }

  /**
   * All requests that it has answered so far, preflights too, which no page can see.
   * @returns {Promise<{ method: string, path: string, status: number }[]>}
   */
  async answered() {
    // The log comes through a pipe: it is complete up to here when a request of our own has come through.
    const path = `/mark-${(this.#marks += 1)}`;
    await (await fetch(`http://127.0.0.1:${this.port}${path}`)).body?.cancel();
    while (!this.#output.includes(`"${path}"`)) await delay(5);
    return this.#output
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line))
      .filter(({ msg, path }) => msg === 'answered' && !path.startsWith('/mark-'));
  }

  /** Ends the process, as a deployment does, and starts another one on the same data. */
  async restart() {
    await this.#end();
    await this.start();
  }

  /** Rows of a statement, run beside the application. */
  async rows(sql, parameters = []) {
    if (!this.#sql) {
      const server = await findRunningEmbedded(join(this.#directory, 'postgres'));
      this.#sql = new pg.Pool({ connectionString: server.url(), max: 1 });
      this.#sql.on('error', () => undefined);
    }
    return (await this.#sql.query(sql, parameters)).rows;
  }

  async stop() {
    await this.#end();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #end() {
    await this.#sql?.end();
    this.#sql = undefined;
    if (!this.#child || this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }

  async #isReady() {
    const answer = await fetch(`http://127.0.0.1:${this.port}/health/ready`).catch(() => null);
    await answer?.body?.cancel();
    return answer?.status === 200;
  }
}
