import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** The process id; throws while it has none: a signal to "none" (0) would reach this process and all of its group. */
export function pidOf(owner: { readonly pid?: number | undefined }): number {
  if (!owner.pid) throw new Error('not running: there is no process to speak of');
  return owner.pid;
}

/** The process and all that descend from it (Linux). */
export function processTree(pid: number): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentOf(name) === pid)
    .flatMap((name) => processTree(Number(name)));
  return [pid, ...children];
}

/** Sends a signal to the process and all that descend from it. */
export function signalTree(pid: number, signal: NodeJS.Signals): void {
  for (const each of processTree(pid)) {
    try {
      process.kill(each, signal);
    } catch {
      // It ended in the meantime.
    }
  }
}

/** Whether the process is there, and more than a zombie (Linux). */
export function isRunning(pid: number): boolean {
  return /^[^ZX]/.test(statOf(String(pid))[0] ?? 'X');
}

/** Resolves when `condition` holds; throws when it does not within that time. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  milliseconds = 10_000,
): Promise<void> {
  for (const until = performance.now() + milliseconds; !(await condition()); await delay(20)) {
    if (performance.now() > until)
      throw new Error(`did not happen within ${milliseconds} ms: ${String(condition)}`);
  }
}

/** A TypeScript program in a process of its own; `output()` is all that it has printed. `prefix`: a command that runs it. */
export function runProgram(
  path: string,
  parameters: readonly string[],
  prefix: readonly string[] = [],
): { child: ChildProcess; output(): string; exited: Promise<number | null> } {
  const root = join(import.meta.dirname, '..', '..');
  const node = [
    process.execPath,
    '--import',
    '@swc-node/register/esm-register',
    join(root, path),
    ...parameters,
  ];
  const [command = '', ...rest] = [...prefix, ...node];
  const child = spawn(command, rest, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return { child, output: () => output, exited };
}

function parentOf(pid: string): number {
  return Number(statOf(pid)[1]);
}

/** State, parent, ... of /proc/<pid>/stat; the name before them may hold anything. */
function statOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  } catch {
    return [];
  }
}
