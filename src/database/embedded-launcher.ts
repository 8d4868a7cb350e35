import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { StartError } from './start-error.js';

/** A user and group by number. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** `nobody`: by number, because not every image knows the name. */
const NOBODY: Owner = { uid: 65_534, gid: 65_534 };
const PROGRAM_DIRECTORIES = [
  '/usr/bin',
  '/bin',
  '/usr/sbin',
  '/sbin',
  '/usr/local/bin',
  '/run/current-system/sw/bin',
];

const IS_ROOT = process.geteuid?.() === 0;
// The binaries are made for glibc. Elsewhere (Alpine) the loader that they name is missing, which reads "not found".
const ADVICE = IS_ROOT
  ? 'start Latchkey as an ordinary user, or set DATABASE_URL'
  : 'its programs need a glibc of 2018 or newer; set DATABASE_URL to a PostgreSQL of your own';

/** How PostgreSQL's programs are started on this machine. */
export class Launcher {
  /** `prefix`: the command that runs the program; `user`: whom they run as, undefined where that is us. */
  constructor(
    private readonly prefix: readonly string[],
    readonly user?: Owner,
  ) {}

  /** Starts a server that a Ctrl-C in our terminal does not reach, so that it ends after us. Its output goes to the file `log`. */
  start(program: string, parameters: readonly string[], log: number): ChildProcess {
    const [command = program, ...rest] = [...this.prefix, program, ...parameters];
    return spawn(command, rest, { ...this.#options(), detached: true, stdio: ['ignore', log, log] });
  }

  /** Runs a program to its end. `code` is null when it could not be started or was killed. */
  async run(
    program: string,
    parameters: readonly string[],
  ): Promise<{ code: number | null; output: string }> {
    const [command = program, ...rest] = [...this.prefix, program, ...parameters];
    return new Promise((resolve) => {
      const child = execFile(command, rest, this.#options(), (error, stdout, stderr) => {
        const output = (stdout + stderr).trim() || (error?.message ?? '');
        resolve({ code: child.exitCode ?? (error ? null : 0), output });
      });
    });
  }

  #options(): { cwd: string; env: Record<string, string>; windowsHide: boolean; uid?: number; gid?: number } {
    // The environment holds neither secrets of ours nor `PG...` variables of whoever started us.
    return { cwd: '/', env: { LC_ALL: 'C', TZ: 'UTC' }, windowsHide: true, ...this.user };
  }
}

/**
 * The first way of starting `postgres` that works here. PostgreSQL refuses to be root: as root it runs in a user
 * namespace, where root's files are its own, or, where the data belong to another user or namespaces are forbidden, as
 * that user or as `nobody`. On Linux it is told to end when this process does, however that happens.
 * `owner`: whom the data directory belongs to; null while there is none. Throws a StartError when no way works.
 */
export async function findLauncher(postgres: string, owner: Owner | null): Promise<Launcher> {
  const failures: string[] = [];
  for (const launcher of candidates(owner)) {
    const { code, output } = await launcher.run(postgres, ['--version']);
    if (code === 0) return launcher;
    failures.push(output.split('\n', 1)[0] ?? '');
  }
  const reasons = [...new Set(failures)].join('; ') || 'it needs `unshare`';
  throw new StartError(
    `the embedded PostgreSQL cannot run here${IS_ROOT ? ' as root' : ''} (${reasons}): ${ADVICE}`,
  );
}

function* candidates(owner: Owner | null): Generator<Launcher> {
  const setpriv = process.platform === 'linux' ? findProgram('setpriv') : null;
  const endings = setpriv ? [[setpriv, '--pdeathsig', 'INT'], []] : [[]];
  for (const ending of endings) {
    if (!IS_ROOT) {
      yield new Launcher(ending);
    } else if (owner && owner.uid !== 0) {
      yield new Launcher(ending, owner);
    } else {
      const unshare = findProgram('unshare');
      if (unshare) yield new Launcher([unshare, '--user', '--map-user=1000', '--map-group=1000', ...ending]);
      if (!owner) yield new Launcher(ending, NOBODY);
    }
  }
}

function findProgram(name: string): string | null {
  return (
    PROGRAM_DIRECTORIES.map((directory) => join(directory, name)).find((path) => existsSync(path)) ?? null
  );
}
