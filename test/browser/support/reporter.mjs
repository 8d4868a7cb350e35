/** One line for each test, what went wrong below it, and last of all the line that a script can read. */
export default async function* report(source) {
  let passed = 0;
  let failed = 0;
  for await (const { type, data } of source) {
    if (type === 'test:stdout' || type === 'test:stderr') yield data.message;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    // A suite fails by its tests, which are counted; one that failed by itself (a hook) has nobody else to say so.
    const ok = type === 'test:pass';
    if (data.details.type === 'suite' && (ok || data.details.error?.failureType === 'subtestsFailed')) continue;
    if (ok) passed += 1;
    else failed += 1;
    yield `${ok ? 'ok    ' : 'FAILED'} ${data.name} (${Math.round(data.details.duration_ms)} ms)\n`;
    const error = data.details.error;
    if (error) yield `${error.cause?.stack ?? error.stack ?? error.message}\n`;
  }
  yield `${passed} passed, ${failed} failed\n`;
}
