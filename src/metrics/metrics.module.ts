import { type DynamicModule, Module } from '@nestjs/common';
import { PasswordsModule } from '../passwords/passwords.module.js';
import { MetricsServer } from './metrics-server.js';
import { MetricsService } from './metrics.service.js';

@Module({})
export class MetricsModule {
  /** @param auth the application's own instance of the auth module, whose cache is watched */
  static forRoot(auth: DynamicModule): DynamicModule {
    return {
      module: MetricsModule,
      imports: [auth, PasswordsModule],
      providers: [MetricsService, MetricsServer],
    };
  }
}
