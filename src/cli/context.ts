import { join } from 'node:path';
import { type DynamicModule, type INestApplicationContext, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { STRATEGIES } from '../auth/strategies/index.js';
import { AppConfig } from '../config/app-config.js';
import { loadConfig } from '../config/load-config.js';
import { Database } from '../database/database.js';
import { findRunningEmbedded } from '../database/embedded-postgres.js';
import { openDatabase } from '../database/open-database.js';
import { ENTITIES } from '../entities.js';
import { LOGGER, createLogger } from '../http/logger.js';

/** A person is waiting: longer than this, and the database is down. */
const WAIT_SECONDS = 5;

/** Where a command runs, and how it speaks. */
export interface CommandSurroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where `.env` is looked for. */
  readonly directory: string;
  /** Takes the result. */
  readonly print: (text: string) => void;
  /** Takes everything else. */
  readonly warn: (line: string) => void;
  /** All of the standard input. */
  readonly readInput: () => Promise<string>;
  /** Serves until it is stopped. `json`: whatever LOG_FORMAT says, the log is JSON. */
  readonly start: (options: { readonly json: boolean }) => Promise<void>;
  /** The OpenAPI document of these settings. */
  readonly openApi: (config: AppConfig) => Promise<object>;
}

/** The settings of the application. Warnings are told. @throws ConfigError */
export function configOf({ environment, directory, warn }: CommandSurroundings): AppConfig {
  return loadConfig({
    environment,
    directory,
    strategyNames: Object.keys(STRATEGIES),
    warn: (line) => warn(`warning: ${line}`),
  });
}

/** Migrates the database, whatever DATABASE_MIGRATE says, and tells what it does. @throws ConfigError, StartError */
export async function migrateDatabase(surroundings: CommandSurroundings): Promise<void> {
  const database = await openForCommand(configOf(surroundings), surroundings.warn, true);
  await database.close();
}

@Module({})
class ContextModule {}

/**
 * Runs `work` with the parts of a module on the application's settings and database, and without serving. The embedded PostgreSQL
 * of a Latchkey that is running is used along with it. @throws ConfigError, StartError
 */
export async function withContext<T>(
  surroundings: CommandSurroundings,
  module: Type,
  work: (context: INestApplicationContext) => Promise<T>,
): Promise<T> {
  const { warn } = surroundings;
  const config = configOf(surroundings);
  const database = await openForCommand(config, warn, false);
  try {
    const context = await NestFactory.createApplicationContext(contextOf(config, database, module, warn), {
      logger: false,
      abortOnError: false,
    });
    try {
      return await work(context);
    } finally {
      await context.close();
    }
  } finally {
    await database.close();
  }
}

function contextOf(
  config: AppConfig,
  database: Database,
  module: Type,
  warn: (line: string) => void,
): DynamicModule {
  const logger = createLogger(config, { write: (line) => warn(line.trimEnd()) });
  // What a command does it reports itself.
  logger.level = 'error';
  return {
    module: ContextModule,
    global: true,
    imports: [module],
    providers: [
      { provide: AppConfig, useValue: config },
      { provide: LOGGER, useValue: logger },
      { provide: Database, useValue: database },
    ],
    exports: [AppConfig, LOGGER, Database],
  };
}

/** Migrates only when told to: that is the business of a start, or of its own command. */
async function openForCommand(
  config: AppConfig,
  warn: (line: string) => void,
  migrate: boolean,
): Promise<Database> {
  const { dataDir, database } = config;
  const running = database.url === null ? await findRunningEmbedded(join(dataDir, 'postgres')) : null;
  return openDatabase(
    { dataDir, database: { ...database, url: running?.url() ?? database.url, migrate } },
    { entities: ENTITIES, log: warn, waitSeconds: WAIT_SECONDS },
  );
}
