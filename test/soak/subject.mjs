import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { PROCESS_ENVIRONMENT, environment } from '../../bench/contenders/latchkey/environment.mjs';
import { NodeProcess } from '../../bench/lib/processes.mjs';
import { freePort } from '../support/free-port.mjs';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
const PROBE = new URL('probe.mjs', import.meta.url).href;
/** MB; V8's old space, as a small container has it. */
const HEAP_LIMIT = 256;
const START_LIMIT_MILLISECONDS = 60_000;
const MEBIBYTE = 1024 ** 2;

/** The node that is looked at: a production start in a process of its own. */
export class Subject {
  #process;
  #postgres;
  #database;

  static async start({ postgres, directory, leakBytes }) {
    const subject = new Subject();
    subject.#postgres = postgres;
    subject.#database = await postgres.create('soak');
    // Not the disk of the machine is looked at.
    await postgres.query(`ALTER DATABASE ${subject.#database.name} SET synchronous_commit = off`);
    subject.port = await freePort();
    subject.#process = new NodeProcess({
      name: 'node',
      script: MAIN,
      core: null,
      directory,
      env: {
        ...environment({
          databaseUrl: subject.#database.url,
          secret: randomBytes(32).toString('base64'),
          mode: 'session,jwt',
          port: subject.port,
        }),
        ...PROCESS_ENVIRONMENT,
        // Lifetimes as they are by default, so that tokens are judged to be new and old; and refreshing always means a new token.
        JWT_ACCESS_TTL: '10m',
        SESSION_IDLE_TTL: '30m',
        SESSION_ABSOLUTE_TTL: '8h',
        JWT_REFRESH_GRACE: '1s',
        NODE_OPTIONS: `--max-old-space-size=${HEAP_LIMIT} --import="${PROBE}"`,
        SOAK_LEAK_BYTES: String(leakBytes),
      },
    });
    await subject.#listening();
    return subject;
  }

  get pid() {
    return this.#process.pid;
  }

  /** Lines of its log at level "error", and what is no line of a log but of a crash. */
  get errors() {
    return this.#lines(/^\{.*"level":(50|60)\b|^(FATAL|Error|\w+Error:)/);
  }

  /** Lines of its log about answers of 500 and more. */
  get failures() {
    return this.#lines(/^\{.*"status":5\d\d\b/);
  }

  /** MiB after a full collection of garbage: what its objects take, and what the process has of the machine. */
  async measure() {
    if (!this.#process.child.connected) throw new Error(`the node has ended:\n${this.#process.logTail()}`);
    const answer = this.#process.message('measured');
    this.#process.send({ measure: true });
    const { heapUsed, external, rss } = (await answer).measured;
    return { live: (heapUsed + external) / MEBIBYTE, rss: rss / MEBIBYTE };
  }

  /** What it holds of the system; `descriptors` and `sockets` null where there is no /proc. */
  async holdings() {
    const [{ count }] = await this.#postgres.query(
      'SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = $1',
      [this.#database.name],
    );
    const descriptors = descriptorsOf(this.pid);
    return {
      'database connections': count,
      descriptors: descriptors?.length ?? null,
      sockets: descriptors?.filter((target) => target.startsWith('socket:')).length ?? null,
    };
  }

  /** Ends it as a deploy does. @returns the exit code, or the name of a signal */
  async stop() {
    await this.#process.stop();
    return this.#process.exited;
  }

  #lines(pattern) {
    return this.#log()
      .split('\n')
      .filter((line) => pattern.test(line));
  }

  #log() {
    return readFileSync(this.#process.logFile, 'utf8');
  }

  async #listening() {
    let ended = false;
    void this.#process.exited.finally(() => (ended = true));
    for (const until = performance.now() + START_LIMIT_MILLISECONDS; ; await delay(50)) {
      if (this.#log().includes('"listening"')) return;
      if (ended || performance.now() > until)
        throw new Error(`the node did not start:\n${this.#process.logTail()}`);
    }
  }
}

/** What the open descriptors of a process stand for. */
function descriptorsOf(pid) {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).map((name) => {
      try {
        return readlinkSync(`${folder}/${name}`);
      } catch {
        return 'closed in the meantime';
      }
    });
  } catch {
    return null;
  }
}
