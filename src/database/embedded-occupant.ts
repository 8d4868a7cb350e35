import { execFile } from 'node:child_process';
import { readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { errorCode } from './error-code.js';
import type { Log } from './log.js';
import { StartError } from './start-error.js';

const ORPHAN_LIMIT_MS = 15_000;
const CLAIM_LIMIT_MS = 3_000;

/** A PostgreSQL server as its `postmaster.pid` describes it. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  /** Where its Unix socket lies; empty when it has none. */
  readonly socketDirectory: string;
  /** It takes connections. */
  readonly ready: boolean;
}

/** What `postmaster.pid` says; null when there is none. The server that it names may be long gone. */
export async function readPostmaster(directory: string): Promise<Postmaster | null> {
  const content = await readFile(join(directory, 'postmaster.pid'), 'utf8').catch(() => '');
  const [pid = '', , , port, socketDirectory = '', , , status = ''] = content.split('\n');
  if (!/^[1-9]\d*$/.test(pid)) return null;
  return { pid: Number(pid), port: Number(port), socketDirectory, ready: status.trim() === 'ready' };
}

/** The server that runs on the directory now; null when none does. */
export async function runningPostmaster(directory: string): Promise<Postmaster | null> {
  const postmaster = await readPostmaster(directory);
  return postmaster && (await isPostgres(postmaster.pid)) ? postmaster : null;
}

/** Notes that this process runs that server, so that another can tell an orphan from a neighbour. */
export async function claim(directory: string, postmaster: number): Promise<void> {
  await writeFile(join(directory, 'latchkey.pid'), `${process.pid} ${postmaster}\n`, { mode: 0o600 });
}

/**
 * Makes sure that no server runs on the directory: forgets one that went without a word, stops one whose Latchkey is
 * gone, and throws a StartError for one that is at work.
 */
export async function makeRoom(directory: string, log: Log): Promise<void> {
  const start = performance.now();
  for (;;) {
    const postmaster = await runningPostmaster(directory);
    if (postmaster === null) {
      // Its number may belong to another program by now, which PostgreSQL would take for a server of its own.
      const stale = await readPostmaster(directory);
      if (stale && isAlive(stale.pid)) await unlink(join(directory, 'postmaster.pid')).catch(() => {});
      return;
    }
    const owner = await ownerOf(directory, postmaster.pid);
    const waited = performance.now() - start;
    if (owner === null ? waited > CLAIM_LIMIT_MS : isAlive(owner) || waited > ORPHAN_LIMIT_MS) {
      throw inUse(directory, postmaster.pid, owner);
    }
    if (owner !== null) stopOrphan(postmaster.pid, log);
    await delay(50);
  }
}

function inUse(directory: string, postmaster: number, owner: number | null): StartError {
  const who = owner === null ? 'another program' : `another Latchkey (pid ${owner})`;
  return new StartError(
    `the embedded database in ${directory} is in use by ${who}, whose PostgreSQL has pid ${postmaster}: stop that one, or set DATA_DIR to another directory for this one`,
  );
}

/** The pid of the Latchkey that claimed the server, alive or not; null while none has. */
async function ownerOf(directory: string, postmaster: number): Promise<number | null> {
  const content = await readFile(join(directory, 'latchkey.pid'), 'utf8').catch(() => '');
  const [owner, claimed] = content.trim().split(' ').map(Number);
  return owner && claimed === postmaster ? owner : null;
}

const stopped = new Set<number>();

function stopOrphan(pid: number, log: Log): void {
  if (stopped.has(pid)) return;
  stopped.add(pid);
  log(`stopping the PostgreSQL (pid ${pid}) that an earlier Latchkey left behind`);
  try {
    process.kill(pid, 'SIGINT');
  } catch {
    // It went by itself, or it is not ours to stop: the next look tells.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** Whether that process is a PostgreSQL that has not ended. (A zombie has: nobody may ever collect it in a container.) */
async function isPostgres(pid: number): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (process.platform === 'win32') return true;
  if (process.platform === 'linux') {
    return /\(postgres\) [^ZX]/.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''));
  }
  const ps = await promisify(execFile)('/bin/ps', ['-o', 'stat=,comm=', '-p', String(pid)]).catch(() => null);
  return ps !== null && /^[^Z]\S*\s.*postgres\s*$/.test(ps.stdout.trim());
}
