import { Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { Answers } from '../http/answers.js';
import { AcceptsForm } from '../http/http-adapter.js';
import { ApiConsumes, ApiOperation, ApiTags } from '../openapi/decorators.js';
import type { Authentication, SessionView, UserView } from '../principal/authentication.js';
import { CurrentAuthentication } from '../principal/decorators.js';
import { AuthService } from './auth.service.js';
import { Exchange } from './exchange.decorator.js';
import type { HttpExchange } from './http-exchange.js';
import { AcceptsAnyCredential, SignsIn } from './route-credentials.js';
import { SessionGoneOut, SessionLoginIn, SessionResourceOut } from './session-resource.schemas.js';

/** The session as a REST resource (contract section 6), as the `can/session` behaviour and REST front ends expect it. */
@ApiTags('session')
@Controller('session')
export class SessionResourceController {
  constructor(private readonly auth: AuthService) {}

  @Get()
  @ApiOperation({ summary: 'The current session, or 401' })
  @Answers({ 200: SessionResourceOut })
  current(@CurrentAuthentication() { user, session, principal }: Authentication) {
    return resource(user, session, principal.strategy);
  }

  @Post()
  @HttpCode(200)
  @SignsIn()
  @AcceptsForm()
  @ApiConsumes('application/json', 'application/x-www-form-urlencoded')
  @ApiOperation({ summary: 'Sign in; takes a form too' })
  @Answers({ 200: SessionResourceOut })
  async create(@Body({ schema: SessionLoginIn }) body: SessionLoginIn, @Exchange() exchange: HttpExchange) {
    const { session, strategy, body: credential } = await this.auth.logIn(body, exchange);
    const { accessToken, expiresIn, csrfToken } = credential;
    return {
      ...resource(session.user, session, strategy),
      ...(accessToken === undefined ? { csrfToken } : { token: accessToken, expiresIn }),
    };
  }

  @Delete()
  @HttpCode(200)
  @AcceptsAnyCredential()
  @ApiOperation({ summary: 'End the current session' })
  @Answers({ 200: SessionGoneOut })
  async destroy(@CurrentAuthentication() authentication: Authentication, @Exchange() exchange: HttpExchange) {
    await this.auth.logOut(authentication, exchange);
    return {};
  }
}

/** What `window.sessionMetadata` holds too. */
function resource(user: UserView, session: SessionView, strategy: string) {
  const end = Math.min(session.expiresAt.getTime(), session.idleExpiresAt.getTime());
  return {
    email: user.email,
    name: user.name,
    roles: user.roles,
    userId: user.id,
    sessionId: session.id,
    strategy,
    expiresAt: session.expiresAt,
    sessionTimeout: Math.floor(end / 1000),
  };
}
