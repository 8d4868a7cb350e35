import { readdir, readFile } from 'node:fs/promises';
import { constants, getPriority, setPriority } from 'node:os';
import { join } from 'node:path';

/** Where Linux lists the threads of this process. */
const THREADS = '/proc/self/task';
/** What libuv calls its threads, since 1.50: Node 22 and newer. */
const POOL_THREAD = 'libuv-worker';

/**
 * Has the threads of libuv's pool, which hash, give way to the thread that answers where both want the same core: a storm of
 * sign-ins then makes sign-ins wait, and not everybody. Where there is a core to spare it changes nothing. Of this process only,
 * for as long as it runs; needs no privilege.
 *
 * On Linux with Node 22 or newer. Elsewhere a thread has no priority of its own, or cannot be told from others: nothing is done.
 */
export async function yieldToAnswers(): Promise<void> {
  try {
    // Reading the list is itself a job for the pool, so that its threads, which libuv starts all at once, are there.
    const threads = await readdir(THREADS);
    const names = await Promise.all(threads.map((id) => readFile(join(THREADS, id, 'comm'), 'utf8')));
    const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority;
    for (const id of threads.filter((_, index) => names[index]?.trim() === POOL_THREAD).map(Number)) {
      setPriority(id, Math.min(getPriority(id) + PRIORITY_BELOW_NORMAL, PRIORITY_LOW));
    }
  } catch {
    // No /proc, or a sandbox that forbids it: everything works without.
  }
}
