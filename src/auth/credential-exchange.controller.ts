import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { Answers } from '../http/answers.js';
import { ApiOperation, ApiTags } from '../openapi/decorators.js';
import type { Authentication } from '../principal/authentication.js';
import { CurrentAuthentication } from '../principal/decorators.js';
import { ExchangeIn, SignedInOut } from './auth.schemas.js';
import { CredentialExchangeService } from './credential-exchange.service.js';
import { Exchange } from './exchange.decorator.js';
import type { HttpExchange } from './http-exchange.js';
import { AcceptsCredentialToExchange } from './route-credentials.js';
import { signedInAnswer } from './signed-in-answer.js';

/** There in every mode; where one strategy is enabled, there is nothing to exchange for. */
@ApiTags('auth')
@Controller('auth')
export class CredentialExchangeController {
  constructor(private readonly exchanges: CredentialExchangeService) {}

  @Post('exchange')
  @HttpCode(200)
  @AcceptsCredentialToExchange()
  @ApiOperation({ summary: 'The credential of another enabled strategy for this session, which goes on' })
  @Answers({ 200: SignedInOut })
  async exchange(
    @Body({ schema: ExchangeIn }) body: ExchangeIn,
    @CurrentAuthentication() authentication: Authentication,
    @Exchange() exchange: HttpExchange,
  ) {
    return signedInAnswer(await this.exchanges.exchange(body, authentication, exchange));
  }
}
