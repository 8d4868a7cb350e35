import { readFileSync, readdirSync } from 'node:fs';

/** Linux counts in these (`getconf CLK_TCK`, 100 everywhere). */
const TICKS_A_SECOND = 100;

/** CPU seconds, user and system, of a process with all its threads and children so far; null where there is no /proc. */
export function cpuSeconds(pid) {
  try {
    const pids = [pid, ...descendants(pid)];
    // Those who have ended count with whoever waited for them (cutime, cstime).
    return pids.reduce((sum, each) => sum + ticksOf(each), 0) / TICKS_A_SECOND;
  } catch {
    return null;
  }
}

/** Resident memory in MiB; null where there is no /proc. */
export function residentMebibytes(pid) {
  try {
    const [, kibibytes] = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(kibibytes) / 1024;
  } catch {
    return null;
  }
}

function ticksOf(pid) {
  const fields = statOf(pid);
  return fields ? fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) : 0;
}

/** The fields of stat(5) from the third on: the second, the name, may hold anything. Null when it has ended. */
function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

function descendants(pid) {
  const children = new Map();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? statOf(name)?.[1] : undefined;
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), name]);
  }
  const found = [];
  for (const queue = [String(pid)]; queue.length > 0;) {
    const below = children.get(queue.pop()) ?? [];
    found.push(...below);
    queue.push(...below);
  }
  return found;
}
