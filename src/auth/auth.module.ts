import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import type { AppConfig } from '../config/app-config.js';
import { WWW_AUTHENTICATE } from '../http/problem.filter.js';
import { KeysModule } from '../keys/keys.module.js';
import { PasswordsModule } from '../passwords/passwords.module.js';
import { SecurityModule } from '../security/security.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { ThrottleModule } from '../throttle/throttle.module.js';
import { UsersModule } from '../users/users.module.js';
import type { AuthStrategy } from './auth-strategy.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { Authenticator } from './authenticator.js';
import { CredentialExchangeController } from './credential-exchange.controller.js';
import { CredentialExchangeService } from './credential-exchange.service.js';
import { CsrfController } from './csrf.controller.js';
import { EnabledStrategies } from './enabled-strategies.js';
import { ForwardAuthController } from './forward-auth.controller.js';
import { ForwardAuthHeaders } from './forward-auth-headers.js';
import { LocalStrategy } from './local.strategy.js';
import { MeController } from './me.controller.js';
import { PasswordChangeService } from './password-change.service.js';
import { PrincipalCache } from './principal-cache.js';
import { RefreshController } from './refresh.controller.js';
import { SessionResourceController } from './session-resource.controller.js';
import { AccessTokenVerifier } from './strategies/access-token-verifier.js';
import { AccessTokens } from './strategies/access-token.js';
import { CredentialSessionStore } from './strategies/credential-session-store.js';
import { RefreshTokens } from './strategies/refresh-tokens.js';

/** The strategies that exist, by the name that `AUTH_MODE` uses. */
export type StrategyClasses = Readonly<Record<string, Type<AuthStrategy>>>;

@Module({})
export class AuthModule {
  /** Instantiates the strategies of `AUTH_MODE` alone. @param strategies `STRATEGIES`, or more in a test. */
  static forRoot(config: AppConfig, strategies: StrategyClasses): DynamicModule {
    const enabled = config.auth.mode.map((name) => {
      const strategy = strategies[name];
      if (!strategy) throw new Error(`AUTH_MODE names an unknown strategy: ${name}`);
      return strategy;
    });
    const refreshes = enabled.some((strategy) => 'refresh' in strategy.prototype);
    return {
      module: AuthModule,
      imports: [
        UsersModule,
        PasswordsModule,
        SessionsModule,
        KeysModule,
        SecurityModule,
        ThrottleModule,
        JwtModule.register({}),
      ],
      controllers: [
        AuthController,
        MeController,
        SessionResourceController,
        CsrfController,
        CredentialExchangeController,
        ForwardAuthController,
        ...(refreshes ? [RefreshController] : []),
      ],
      providers: [
        ...enabled,
        {
          provide: EnabledStrategies,
          useFactory: (...instances: AuthStrategy[]) => new EnabledStrategies(instances),
          inject: enabled,
        },
        {
          provide: WWW_AUTHENTICATE,
          useFactory: (all: EnabledStrategies) => all.challenges,
          inject: [EnabledStrategies],
        },
        AccessTokens,
        AccessTokenVerifier,
        RefreshTokens,
        CredentialSessionStore,
        LocalStrategy,
        Authenticator,
        PrincipalCache,
        ForwardAuthHeaders,
        AuthService,
        PasswordChangeService,
        CredentialExchangeService,
      ],
      exports: [EnabledStrategies, Authenticator, PrincipalCache, SecurityModule, ThrottleModule],
    };
  }
}
