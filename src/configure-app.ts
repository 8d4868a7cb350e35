import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import type { StrategyClasses } from './auth/auth.module.js';
import { PrincipalCache } from './auth/principal-cache.js';
import { STRATEGIES } from './auth/strategies/index.js';
import type { AppConfig } from './config/app-config.js';
import { openDatabase } from './database/open-database.js';
import { ENTITIES } from './entities.js';
import { configureHttp } from './http/configure-http.js';
import { createHttpAdapter } from './http/http-adapter.js';
import { type Logger, createLogger } from './http/logger.js';
import { NestLogger } from './http/nest-logger.js';

/** What an application may be made with besides its settings. */
export interface AppParts {
  readonly logger?: Logger;
  /** The strategies that `AUTH_MODE` may name. Default: those of auth/strategies/index.ts. */
  readonly strategies?: StrategyClasses;
  /** `off`: every request asks the database. For measuring what the principal cache is worth. Default: `on`. */
  readonly cache?: 'on' | 'off';
  /** Further modules, which the same guards close. Default: none. */
  readonly modules?: readonly (Type | DynamicModule)[];
}

/** Makes the whole application, ready to listen. Opens and migrates the database. @throws StartError in one line */
export async function createApp(config: AppConfig, parts: AppParts = {}): Promise<NestFastifyApplication> {
  const { logger = createLogger(config), strategies = STRATEGIES, modules = [] } = parts;
  const database = await openDatabase(config, { entities: ENTITIES, log: (line) => logger.info(line) });
  try {
    const app = await NestFactory.create<NestFastifyApplication>(
      AppModule.forRoot({ config, logger, database, strategies, modules }),
      createHttpAdapter(config, logger),
      { bodyParser: false, logger: new NestLogger(logger), abortOnError: false },
    );
    configureHttp(app, logger);
    if (config.server.docs) (await import('./docs/docs.js')).setUpDocs(app, config);
    if (parts.cache === 'off') app.get(PrincipalCache).turnOff();
    await app.init();
    return app;
  } catch (error) {
    await database.close();
    throw error;
  }
}
