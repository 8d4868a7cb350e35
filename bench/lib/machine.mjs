import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** What all cores together have done so far, in ticks: worked, and been kept waiting by the host of a virtual machine. Null without /proc. */
export function machineTicks() {
  try {
    const [, line] = /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'));
    const [user, nice, system, idle, wait, interrupts, softInterrupts, stolen = 0] = line
      .split(' ')
      .map(Number);
    const worked = user + nice + system + interrupts + softInterrupts;
    return { worked, stolen, total: worked + stolen + idle + wait };
  } catch {
    return null;
  }
}

/** Shares from 0 to 1 since `before`; null without /proc. */
export function machineSince(before) {
  const after = machineTicks();
  if (!before || !after) return { worked: null, stolen: null };
  const total = Math.max(1, after.total - before.total);
  return {
    worked: (after.worked - before.worked) / total,
    stolen: (after.stolen - before.stolen) / total,
  };
}

/** How busy the machine is with other things, before we add to it. */
export async function machineNow() {
  const before = machineTicks();
  await delay(1000);
  return machineSince(before);
}
