#!/usr/bin/env node
import { runCommandLine } from './cli/run-command-line.js';

const code = await runCommandLine(
  {
    environment: process.env,
    directory: process.cwd(),
    print: (text) => console.log(text),
    warn: (line) => console.error(line),
    readInput: async () => {
      let text = '';
      for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
      return text;
    },
    start: async ({ json }) => {
      if (json) process.env.LOG_FORMAT = 'json';
      await import('./main.js');
    },
    openApi: async (config) => (await import('./openapi-document.js')).openApiDocumentOf(config),
  },
  process.argv.slice(2),
);
// The service that `start` begins sets its own.
if (code !== 0) process.exitCode = code;
