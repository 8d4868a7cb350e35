import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/**
 * Which cores do what: the server one of its own, the load and the database the others. With two cores the database shares the load's,
 * which favours servers that ask it much: what it costs is not on their account. Null: no pinning, the scheduler decides.
 */
export function planCores() {
  const cores = allowedCores();
  const works = cores.length > 1 && spawnSync('taskset', ['-c', cores[0], 'true']).status === 0;
  if (!works) {
    return {
      pinned: false,
      server: null,
      load: null,
      database: null,
      text: `not pinned: ${cores.length > 1 ? 'no taskset here' : 'only one core'}`,
    };
  }
  const [server, load, ...rest] = cores;
  const database = rest.length > 0 ? rest.join(',') : load;
  return {
    pinned: true,
    server,
    load,
    database,
    text: `server on core ${server}, load on core ${load}, database on core ${database}`,
  };
}

/** The command that runs `command` on a core. */
export function pinnedCommand(core, command, parameters) {
  return core === null ? [command, parameters] : ['taskset', ['-c', core, command, ...parameters]];
}

/** Moves a process that runs, and the children that it will have, to a core. */
export function pin(pid, core) {
  if (core !== null) spawnSync('taskset', ['-acp', core, String(pid)]);
}

function allowedCores() {
  try {
    const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    return list.split(',').flatMap((part) => {
      const [from, to = from] = part.split('-').map(Number);
      return Array.from({ length: to - from + 1 }, (_, index) => String(from + index));
    });
  } catch {
    return Array.from({ length: availableParallelism() }, (_, index) => String(index));
  }
}
