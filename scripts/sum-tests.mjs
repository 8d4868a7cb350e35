// Prints "N passed, N failed" of the JSON that jest left behind. A test file that could not run counts as one failed test.
// node sum-tests.mjs <file of jest --json --outputFile>
import { readFileSync } from 'node:fs';

const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(
  readFileSync(process.argv[2] ?? '', 'utf8'),
);
console.log(`${numPassedTests} passed, ${numFailedTests + numRuntimeErrorTestSuites} failed`);
