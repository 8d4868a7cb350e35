import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { STRATEGIES } from './auth/strategies/index.js';
import type { AppConfig } from './config/app-config.js';
import { createDataSource } from './database/data-source.js';
import { Database } from './database/database.js';
import { openApiDocument } from './docs/docs.js';
import { createHttpAdapter } from './http/http-adapter.js';
import { createLogger } from './http/logger.js';

/** Never connected to: a document needs the routes alone. */
const NO_DATABASE = 'postgres://nobody@127.0.0.1:1/nothing';

/** The OpenAPI document that a node of these settings serves, without a database and without listening. */
export async function openApiDocumentOf(config: AppConfig): Promise<object> {
  const logger = createLogger(config, { write: () => undefined });
  const dataSource = await createDataSource({
    url: NO_DATABASE,
    poolSize: 1,
    timeouts: 'none',
    entities: [],
  });
  const database = new Database({
    dataSource,
    url: NO_DATABASE,
    directUrl: NO_DATABASE,
    location: 'nowhere',
    afterClose: async () => undefined,
  });
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot({ config, logger, database, strategies: STRATEGIES, modules: [] }),
    createHttpAdapter(config, logger),
    { bodyParser: false, logger: false, abortOnError: false },
  );
  return openApiDocument(app, config);
}
