import { Global, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { DataSourceSettings } from './data-source.js';
import { Database } from './database.js';
import { openDatabase, type DatabaseConfig } from './open-database.js';

/** Gives every module the {@link Database}, open and migrated. As a global module it is the last to be shut down. */
@Global()
@Module({})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(private readonly database: Database) {}

  /** `entities`: the tables, which this folder knows nothing of. A failure to open is a StartError of `NestFactory.create`. */
  static forRoot(config: DatabaseConfig, entities: DataSourceSettings['entities']): DynamicModule {
    return {
      module: DatabaseModule,
      providers: [{ provide: Database, useFactory: () => openDatabase(config, { entities }) }],
      exports: [Database],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.close();
  }
}
