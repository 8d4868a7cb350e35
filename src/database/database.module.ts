import { Global, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { Database } from './database.js';

/**
 * Gives every module the {@link Database}, which was opened before the application was made: a database that is not there is
 * told in one line, and nothing half-made is left. As a global module it is the last to be shut down, and closes it.
 */
@Global()
@Module({})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(private readonly database: Database) {}

  static forRoot(database: Database): DynamicModule {
    return {
      module: DatabaseModule,
      // By a factory: as a value, Nest would serialise it to tell modules apart.
      providers: [{ provide: Database, useFactory: () => database }],
      exports: [Database],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.close();
  }
}
