import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Answers } from '../http/answers.js';
import { ApiBody, ApiOperation, ApiTags } from '../openapi/decorators.js';
import { PasswordPolicy } from '../passwords/password-policy.js';
import type { Authentication } from '../principal/authentication.js';
import { CurrentAuthentication, Public } from '../principal/decorators.js';
import { CSRF_COOKIE } from '../security/cookies.js';
import { CSRF_HEADER } from '../security/csrf.guard.js';
import { AuthService } from './auth.service.js';
import { ConfigOut, LoginIn, LogoutIn, PasswordIn, SignedInOut, SignupIn } from './auth.schemas.js';
import { EnabledStrategies } from './enabled-strategies.js';
import { Exchange } from './exchange.decorator.js';
import type { HttpExchange } from './http-exchange.js';
import { PasswordChangeService } from './password-change.service.js';
import { AcceptsAnyCredential, SignsIn } from './route-credentials.js';
import { signedInAnswer } from './signed-in-answer.js';

@ApiTags('auth')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly config: AppConfig,
    private readonly auth: AuthService,
    private readonly passwordChange: PasswordChangeService,
    private readonly policy: PasswordPolicy,
    private readonly strategies: EnabledStrategies,
  ) {}

  @Post('signup')
  @SignsIn()
  @ApiOperation({ summary: 'Create a user and sign in' })
  @Answers({ 201: SignedInOut })
  async signUp(@Body({ schema: SignupIn }) body: SignupIn, @Exchange() exchange: HttpExchange) {
    return signedInAnswer(await this.auth.signUp(body, exchange));
  }

  @Post('login')
  @HttpCode(200)
  @SignsIn()
  @ApiOperation({ summary: 'Sign in with email and password' })
  @Answers({ 200: SignedInOut })
  async logIn(@Body({ schema: LoginIn }) body: LoginIn, @Exchange() exchange: HttpExchange) {
    return signedInAnswer(await this.auth.logIn(body, exchange));
  }

  @Post('logout')
  @HttpCode(204)
  @AcceptsAnyCredential()
  @ApiBody({ required: false })
  @ApiOperation({ summary: 'End this session everywhere, with any live credential of it' })
  @Answers({ 204: null })
  async logOut(
    @Body({ schema: LogoutIn }) _body: unknown,
    @CurrentAuthentication() authentication: Authentication,
    @Exchange() exchange: HttpExchange,
  ): Promise<void> {
    await this.auth.logOut(authentication, exchange);
  }

  @Post('password')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Change my password; ends all my other sessions and replaces the cookies of this one',
  })
  @Answers({ 204: null })
  async changePassword(
    @Body({ schema: PasswordIn }) body: PasswordIn,
    @CurrentAuthentication() authentication: Authentication,
    @Exchange() exchange: HttpExchange,
  ): Promise<void> {
    await this.passwordChange.change(body, authentication, exchange);
  }

  @Get('config')
  @Public()
  @ApiOperation({ summary: 'What a client needs to know to work in every mode' })
  @Answers({ 200: ConfigOut })
  publicConfig() {
    const { minLength, maxLength } = this.policy;
    return {
      mode: this.strategies.names,
      primary: this.strategies.primary.name,
      signup: this.config.auth.signup === 'open',
      csrf: { cookie: CSRF_COOKIE, header: CSRF_HEADER },
      refresh: this.strategies.refreshable.length > 0,
      password: { minLength, maxLength },
    };
  }
}
