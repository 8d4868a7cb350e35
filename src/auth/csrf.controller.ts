import { Controller, Get } from '@nestjs/common';
import { Answers } from '../http/answers.js';
import { ApiOperation, ApiTags } from '../openapi/decorators.js';
import { Public } from '../principal/decorators.js';
import { Cookies } from '../security/cookies.js';
import { CsrfTokens } from '../security/csrf-tokens.js';
import { type SessionRecord, cookieSeconds } from '../sessions/session-record.js';
import { CredentialRejected } from './auth-strategy.js';
import { CsrfOut } from './auth.schemas.js';
import { EnabledStrategies } from './enabled-strategies.js';
import { Exchange } from './exchange.decorator.js';
import type { HttpExchange } from './http-exchange.js';

@ApiTags('auth')
@Controller('auth')
export class CsrfController {
  constructor(
    private readonly strategies: EnabledStrategies,
    private readonly tokens: CsrfTokens,
    private readonly cookies: Cookies,
  ) {}

  @Get('csrf')
  @Public()
  @ApiOperation({ summary: 'The CSRF token of the session whose cookie came along, or null' })
  @Answers({ 200: CsrfOut })
  async csrf(@Exchange() exchange: HttpExchange) {
    const session = await this.cookieSession(exchange);
    if (!session) return { csrfToken: null };
    const csrfToken = this.tokens.issue(session.id);
    exchange.setCookie(this.cookies.csrf(csrfToken, cookieSeconds(session)));
    return { csrfToken };
  }

  private async cookieSession(exchange: HttpExchange): Promise<SessionRecord | null> {
    for (const strategy of this.strategies.all) {
      if (!strategy.ambient || strategy.credentialIn(exchange) === null) continue;
      try {
        return await strategy.authenticate(exchange);
      } catch (error) {
        if (!(error instanceof CredentialRejected)) throw error;
      }
    }
    return null;
  }
}
