import { createApp } from './configure-app.js';
import { STRATEGIES } from './auth/strategies/index.js';
import { ConfigError, loadConfig } from './config/load-config.js';
import { Database } from './database/database.js';
import { StartError } from './database/start-error.js';
import { LOGGER, type Logger } from './http/logger.js';
import { yieldToAnswers } from './passwords/thread-priority.js';
import { startBanner } from './start-banner.js';

const HELP = `Latchkey, the sign-in API.

Usage: npm start            build what has changed, then serve
       node dist/src/main.js

Settings come from the environment, .env.<NODE_ENV> and .env, in this order of precedence; .env.example lists them all.
Without any, it serves http://localhost:3000 with session cookies on an embedded PostgreSQL in .latchkey.
AUTH_MODE=jwt npm start     the same API with bearer tokens`;

async function main(): Promise<void> {
  if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
    console.log(HELP);
    return;
  }
  const config = loadConfig({
    environment: process.env,
    directory: process.cwd(),
    strategyNames: Object.keys(STRATEGIES),
    warn: (line) => console.error(`warning: ${line}`),
  });
  await yieldToAnswers(config.passwords.hashNice);
  const app = await createApp(config);
  try {
    await app.listen(config.server.port, config.server.host);
  } catch (error) {
    await app.close();
    throw error;
  }
  const address = app.getHttpServer().address();
  const port = typeof address === 'object' && address ? address.port : config.server.port;
  const { location } = app.get(Database);
  if (config.isProduction) {
    app.get<Logger>(LOGGER).info({ port, mode: config.auth.mode, database: location }, 'listening');
  } else {
    console.log(startBanner(config, port, location));
  }
}

/** What to tell the operator: a line for each thing that is wrong, and a stack only for what nobody foresaw. */
function linesOf(error: unknown): string[] {
  if (error instanceof ConfigError) return [...error.problems];
  if (error instanceof StartError) return [error.message];
  if (isListenError(error)) {
    const { code, port } = error;
    if (code === 'EADDRINUSE')
      return [`PORT: ${port} is in use by another process; stop it or choose another PORT`];
    if (code === 'EACCES') return [`PORT: this user may not listen on ${port}; choose one above 1023`];
    return [`HOST: cannot listen there (${code})`];
  }
  return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
}

function isListenError(error: unknown): error is { code: string; port?: number } {
  return typeof error === 'object' && error !== null && 'syscall' in error && error.syscall === 'listen';
}

try {
  await main();
} catch (error) {
  for (const line of linesOf(error)) console.error(line);
  process.exitCode = 1;
}
