import { readdir, readFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { threadPoolSize } from '../config/thread-pool.js';

/** Where Linux lists the threads of this process. */
const THREADS = '/proc/self/task';
/** What libuv calls its threads, since 1.50: Node 22 and newer. */
const POOL_THREAD = 'libuv-worker';
/** What Node 20 starts before it reads the first file: the main thread, V8's scheduler and four workers, one for signals. */
const NODE_THREADS = 7;

/**
 * Has the threads of libuv's pool, which hash, give way to the thread that answers where both want the same core: a storm of
 * sign-ins then makes sign-ins wait, and not everybody. Where there is a core to spare it changes nothing. Of this process only,
 * for as long as it runs; needs no privilege.
 *
 * On Linux; elsewhere a thread has no priority of its own. Call it before anything starts threads: those of Node 20, which have
 * no names, can only be told by their order, and where there are others than expected nothing is done.
 *
 * @param nice 0 to 19, as nice(2) counts (`PASSWORD_HASH_NICE`). What a thread gets of a busy core, it gets in whole time slices, each of
 *   which holds up all that is to be answered: the lowest priority, 19, gets so few that nobody notices (docs/performance.md)
 */
export async function yieldToAnswers(nice: number): Promise<void> {
  if (nice === 0) return;
  try {
    for (const id of await poolThreads()) setPriority(id, nice);
  } catch {
    // No /proc, or a sandbox that forbids it: everything works without.
  }
}

/** The threads of the pool by their ids, as far as they can be told. */
async function poolThreads(): Promise<number[]> {
  // Reading the list is itself a job for the pool, so that its threads, which libuv starts all at once, are there.
  const threads = (await readdir(THREADS)).map(Number).sort((a, b) => a - b);
  const names = await Promise.all(threads.map((id) => readFile(join(THREADS, String(id), 'comm'), 'utf8')));
  const named = threads.filter((_, index) => names[index]?.trim() === POOL_THREAD);
  if (named.length > 0) return named;
  return threads.length === NODE_THREADS + threadPoolSize() ? threads.slice(NODE_THREADS) : [];
}
