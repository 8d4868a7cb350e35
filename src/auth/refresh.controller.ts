import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { Answers } from '../http/answers.js';
import { ApiBody, ApiOperation, ApiTags } from '../openapi/decorators.js';
import { AuthService } from './auth.service.js';
import { RefreshIn, SignedInOut } from './auth.schemas.js';
import { Exchange } from './exchange.decorator.js';
import type { HttpExchange } from './http-exchange.js';
import { AcceptsRefreshCredential } from './route-credentials.js';
import { signedInAnswer } from './signed-in-answer.js';

/** Only there where an enabled strategy refreshes. */
@ApiTags('auth')
@Controller('auth')
export class RefreshController {
  constructor(private readonly auth: AuthService) {}

  @Post('refresh')
  @HttpCode(200)
  @AcceptsRefreshCredential()
  @ApiBody({ required: false })
  @ApiOperation({ summary: 'A new access token for the same session, and the refresh token to go on with' })
  @Answers({ 200: SignedInOut })
  async refresh(@Body({ schema: RefreshIn }) _body: unknown, @Exchange() exchange: HttpExchange) {
    return signedInAnswer(await this.auth.refresh(exchange));
  }
}
