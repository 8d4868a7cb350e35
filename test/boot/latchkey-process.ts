import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/processes.js';

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'src', 'main.js');

/** `getconf CLK_TCK`: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

type Environment = Readonly<Record<string, string>>;

/** An empty folder to start in, so that no `.env` of a developer counts. */
export function newFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'lk-boot-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** `node dist/src/main.js`, as an operator would start it: in a folder, with an environment of nothing but what is given. */
export class LatchkeyProcess {
  private readonly child: ChildProcess;
  /** The exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string | null>;
  private text = '';

  /**
   * @param ownSession as a supervisor starts it: Linux shares the cores out between sessions (sched(7), autogroup), so that its
   *   threads that hash give way to the one that answers, and not to the tests beside it. ^C does not reach it then.
   */
  constructor(
    folder: string,
    environment: Environment,
    parameters: readonly string[] = [],
    { ownSession = false }: { readonly ownSession?: boolean } = {},
  ) {
    const { PATH = '', HOME = '' } = process.env;
    this.child = spawn(process.execPath, [MAIN, ...parameters], {
      cwd: folder,
      env: { PATH, HOME, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: ownSession,
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
    this.exited = new Promise((resolve) =>
      this.child.once('close', (code, signal) => resolve(code ?? signal)),
    );
  }

  /** Seconds of processor time that it has used so far, its PostgreSQL not counted (Linux). */
  get cpuSeconds(): number {
    const [, rest = ''] = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8').split(') ');
    const [user, system] = rest.split(' ').slice(11, 13).map(Number);
    return ((user ?? 0) + (system ?? 0)) / TICKS_PER_SECOND;
  }

  /** Its threads: their priority as nice(2) counts it, and the processor time that they have used so far, in milliseconds (Linux). */
  get threads(): { isMain: boolean; priority: number; cpu: number }[] {
    const threads = `/proc/${this.child.pid}/task`;
    return readdirSync(threads).map((id) => ({
      isMain: Number(id) === this.child.pid,
      priority: getPriority(Number(id)),
      cpu: Number(readFileSync(join(threads, id, 'schedstat'), 'utf8').split(' ')[0]) / 1e6,
    }));
  }

  /** All that it has printed so far. */
  get output(): string {
    return this.text;
  }

  get lines(): string[] {
    return this.text.split('\n').filter((line) => line !== '');
  }

  /** Where the banner says that it is. */
  get url(): string {
    return /Latchkey is up {3}(\S+)/.exec(this.text)?.[1] ?? '';
  }

  /** The lines to paste that the banner shows. */
  get curlLines(): string[] {
    return this.lines.slice(this.lines.findIndex((line) => line === '  Try:') + 1).map((line) => line.trim());
  }

  /** Resolves when the output matches; throws with the output when the process ends before, or takes too long. */
  async says(pattern: RegExp, milliseconds = 60_000): Promise<void> {
    const ended = { yet: false };
    void this.exited.then(() => (ended.yet = true));
    await eventually(() => pattern.test(this.text) || ended.yet, milliseconds);
    if (!pattern.test(this.text)) throw new Error(`it ended, having said:\n${this.text}`);
  }

  /** Sends it a signal and goes on. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it, and tells how it ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string | null> {
    this.child.kill(signal);
    return this.exited;
  }
}

/** The pid of the embedded PostgreSQL in a data directory. */
export function postgresPid(dataDir: string): number {
  return Number(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
}
