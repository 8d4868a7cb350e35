import { test } from '@jest/globals';
import { Throttle } from '../../../src/throttle/throttle.js';
import { eventually } from '../../support/processes.js';
import type { TestApp } from '../../support/test-app.js';

const ATTEMPTS = 5;

/** Whether the node counts by itself at the moment. */
export const insured = (app: TestApp): boolean => app.get(Throttle).insuranceInUse;

/** What the application has logged about its store since `from`, with the levels. */
export function told(app: TestApp, from = 0): [level: number, message: string][] {
  return app.log
    .slice(from)
    .map((line) => JSON.parse(line) as { level: number; msg: string })
    .filter(({ msg }) => msg.includes('store of the rate limits'))
    .map(({ level, msg }) => [level, msg]);
}

/**
 * Runs `scenario` on nodes that share their store from its begin to its end: a machine that is very busy may be taken for an outage
 * of the store, and then it runs again. It takes users and addresses that nobody has used.
 */
export async function sharing(nodes: readonly TestApp[], scenario: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await eventually(() => !nodes.some(insured));
    const from = nodes.map(({ log }) => log.length);
    try {
      await scenario();
      return;
    } catch (error) {
      const disturbed = nodes.some((node, i) => told(node, from[i]).length > 0);
      if (!disturbed || attempt === ATTEMPTS) throw error;
    }
  }
}

/** `test` for what is about counts of that node: by {@link sharing}. */
export function counting(node: () => TestApp) {
  return (name: string, scenario: () => Promise<void>): void => test(name, () => sharing([node()], scenario));
}
