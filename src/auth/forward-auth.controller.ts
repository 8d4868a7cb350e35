import { All, Controller, HttpCode, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppConfig } from '../config/app-config.js';
import { Answers } from '../http/answers.js';
import { IgnoresBody } from '../http/http-adapter.js';
import { isFromTrustedProxy } from '../http/proxy-trust.js';
import { ApiExcludeController } from '../openapi/decorators.js';
import type { AuthenticatedRequest } from '../principal/authentication.js';
import { authenticationOf } from '../principal/decorators.js';
import { ForwardAuthHeaders } from './forward-auth-headers.js';
import { AnswersGateways } from './route-credentials.js';

/**
 * Forward-auth (contract section 7): a gateway asks here, for each request that it holds, whose it is. Every method and every
 * path below is the same question, OPTIONS included, because to a gateway any 2xx means "let it through".
 * Not in OpenAPI: no client calls this. docs/gateway.md
 */
@ApiExcludeController()
@Controller('auth/verify')
@AnswersGateways()
export class ForwardAuthController {
  constructor(
    private readonly config: AppConfig,
    private readonly headers: ForwardAuthHeaders,
  ) {}

  @All(['', '*'])
  @HttpCode(200)
  @IgnoresBody()
  @Answers({ 200: null })
  verify(
    @Req() request: FastifyRequest & AuthenticatedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): void {
    // The token is for services, not for whoever holds the credential: a script of a page must not get at it.
    if (this.config.isProduction && !isFromTrustedProxy(request)) return;
    reply.headers(this.headers.of(authenticationOf(request)));
  }
}
