import { resolve } from 'node:path';
import { run } from 'node:test';

/*
 * Runs test files, each in a process of its own, and prints one line for each test, what went wrong below it, and last of all
 * the line that a script can read.
 */
const files = process.argv.slice(2).map((file) => resolve(file));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
const source = run({ files, concurrency: 2, signal: stop.signal });
let passed = 0;
let failed = 0;
for await (const { type, data } of source) {
  if (type === 'test:stdout' || type === 'test:stderr') process.stdout.write(data.message);
  if (type !== 'test:pass' && type !== 'test:fail') continue;
  const ok = type === 'test:pass';
  const { error, duration_ms: milliseconds } = data.details;
  // A suite fails by its tests, which are counted; one that failed by itself (in a hook) has nobody else to say so.
  if (data.details.type === 'suite' && (ok || error?.failureType === 'subtestsFailed')) continue;
  if (ok) passed += 1;
  else failed += 1;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${data.name} (${Math.round(milliseconds)} ms)`);
  if (error) console.log(error.cause?.stack ?? error.stack ?? error.message);
  if (error?.exitCode) console.log(`exit code ${error.exitCode}, signal ${error.signal}`);
}
console.log(`${passed} passed, ${failed} failed`);
// A run without tests proves nothing.
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
