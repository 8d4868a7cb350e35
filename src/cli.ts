#!/usr/bin/env node
import { CommanderError } from 'commander';
import { createProgram } from './cli/program.js';

/** Exit codes (contract section 9). */
const REFUSED = 1;
const USAGE = 2;

const program = createProgram({
  environment: process.env,
  directory: process.cwd(),
  print: (text) => console.log(text),
  warn: (line) => console.error(line),
  readInput: async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks).toString('utf8');
  },
  start: async () => void (await import('./main.js')),
  openApi: async (config) => (await import('./openapi-document.js')).openApiDocumentOf(config),
});
try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    // It has said itself what is wrong. Asking for help is no mistake; forgetting the command is one.
    process.exitCode = error.exitCode === 0 ? 0 : USAGE;
  } else {
    const { linesOf } = await import('./cli/error-lines.js');
    for (const line of linesOf(error)) console.error(line);
    process.exitCode = REFUSED;
  }
}
