#!/usr/bin/env node
import { CommanderError } from 'commander';
import { ConfigError } from './config/load-config.js';
import { StartError } from './database/start-error.js';
import { Problem } from './http/problem.js';
import { createProgram } from './cli/program.js';

/** Exit codes (contract section 9). */
const REFUSED = 1;
const USAGE = 2;

/** What to tell the operator: a line for each thing that is wrong, and a stack only for what nobody foresaw. */
function linesOf(error: unknown): string[] {
  if (error instanceof ConfigError) return [...error.problems];
  if (error instanceof StartError) return [error.message];
  if (error instanceof Problem) return [`${error.message}${error.detail ? `: ${error.detail}` : ''}`];
  return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
}

const program = createProgram({
  environment: process.env,
  directory: process.cwd(),
  print: (text) => console.log(text),
  warn: (line) => console.error(line),
});
try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    // It has said itself what is wrong. Asking for help is no mistake; forgetting the command is one.
    process.exitCode = error.exitCode === 0 ? 0 : USAGE;
  } else {
    for (const line of linesOf(error)) console.error(line);
    process.exitCode = REFUSED;
  }
}
