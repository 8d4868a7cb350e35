import { setTimeout as delay } from 'node:timers/promises';
import type { TestApp } from '../support/test-app.js';

/** Contract 5, rule 4: what ends a credential is known everywhere within a second; with room for a busy machine. */
const LIMIT_MS = 3_000;

/** Resolves when `condition` holds. */
export async function passing(condition: () => Promise<boolean>): Promise<void> {
  for (const until = performance.now() + LIMIT_MS; !(await condition()); await delay(20)) {
    if (performance.now() > until)
      throw new Error(`did not hold within ${LIMIT_MS} ms: ${String(condition)}`);
  }
}

/** Every row of every table as text; bytes are in hexadecimal. */
export async function dumpOf(app: TestApp): Promise<string> {
  const tables = await app.rows<{ name: string }>(
    `SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'`,
  );
  const contents = await Promise.all(
    tables.map(({ name }) =>
      app.rows<{ rows: string | null }>(`SELECT json_agg(t)::text AS rows FROM ${name} t`),
    ),
  );
  return contents.map(([table]) => table?.rows ?? '').join('\n');
}

/**
 * The least that two kinds of work take, done in turns: a busy machine makes any of them slower and none quicker. One turn goes
 * before, to warm up.
 */
export async function leastMilliseconds(
  rounds: number,
  first: () => Promise<void>,
  second: () => Promise<void>,
): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    for (const [i, work] of [first, second].entries()) {
      const start = performance.now();
      await work();
      if (round > 0) times[i as 0 | 1].push(performance.now() - start);
    }
  }
  return [Math.min(...times[0]), Math.min(...times[1])];
}
