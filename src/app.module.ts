import { type DynamicModule, Global, Module, type Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AuthGuard } from './auth/auth.guard.js';
import { AuthModule, type StrategyClasses } from './auth/auth.module.js';
import { RolesGuard } from './auth/roles.guard.js';
import { AppConfig } from './config/app-config.js';
import type { Database } from './database/database.js';
import { DatabaseModule } from './database/database.module.js';
import { EventsModule } from './events/events.module.js';
import { FeedModule } from './feed/feed.module.js';
import { HealthModule } from './health/health.module.js';
import { LOGGER, type Logger } from './http/logger.js';
import { CsrfGuard } from './security/csrf.guard.js';

@Global()
@Module({})
class SettingsModule {
  static forRoot(config: AppConfig, logger: Logger): DynamicModule {
    const providers = [
      { provide: AppConfig, useValue: config },
      { provide: LOGGER, useValue: logger },
    ];
    return { module: SettingsModule, providers, exports: providers };
  }
}

/** What an application is put together from. */
export interface AppModuleParts {
  readonly config: AppConfig;
  readonly logger: Logger;
  readonly database: Database;
  readonly strategies: StrategyClasses;
  readonly modules: readonly (Type | DynamicModule)[];
}

@Module({})
export class AppModule {
  static forRoot({ config, logger, database, strategies, modules }: AppModuleParts): DynamicModule {
    const auth = AuthModule.forRoot(config, strategies);
    return {
      module: AppModule,
      imports: [
        SettingsModule.forRoot(config, logger),
        DatabaseModule.forRoot(database),
        EventsModule,
        FeedModule,
        auth,
        HealthModule,
        ...(config.server.metricsPort === null ? [] : [metricsOf(auth)]),
        ...modules,
      ],
      // In this order on every request: who is it, did the page mean it, may they.
      providers: [
        { provide: APP_GUARD, useClass: AuthGuard },
        { provide: APP_GUARD, useClass: CsrfGuard },
        { provide: APP_GUARD, useClass: RolesGuard },
      ],
    };
  }
}

/** Loaded where it is used: the metrics library is a tenth of the start. */
async function metricsOf(auth: DynamicModule): Promise<DynamicModule> {
  const { MetricsModule } = await import('./metrics/metrics.module.js');
  return MetricsModule.forRoot(auth);
}
