import { tmpdir } from 'node:os';
import {
  type BeforeApplicationShutdown,
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  HttpException,
  Module,
  Param,
  Patch,
  Post,
  Req,
  Res,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { loadConfig } from '../../../src/config/load-config.js';
import { Answers } from '../../../src/http/answers.js';
import { clientAddress } from '../../../src/http/client-address.js';
import { configureHttp } from '../../../src/http/configure-http.js';
import { expireCookieAlways } from '../../../src/http/cookies.js';
import { AcceptsForm, createHttpAdapter } from '../../../src/http/http-adapter.js';
import { usePagePolicy } from '../../../src/http/page-policy.js';
import { HTTP_LIMITS, type HttpLimits } from '../../../src/http/http-server.js';
import { createLogger } from '../../../src/http/logger.js';
import { Problem } from '../../../src/http/problem.js';
import { WWW_AUTHENTICATE } from '../../../src/http/problem.filter.js';
import { isFromTrustedProxy } from '../../../src/http/proxy-trust.js';
import { DOCS_POLICY } from '../../../src/http/security-headers.js';

export const CHALLENGES = 'Session realm="latchkey", Bearer realm="latchkey"';
const APP_SECRET = Buffer.alloc(32, 'http tests ').toString('base64');

const LoginBody = z.strictObject({
  email: z.string().max(254),
  password: z.string().max(128),
  remember: z.boolean().optional(),
  note: z.strictObject({ text: z.string() }).optional(),
});
const FormBody = z.strictObject({ email: z.string(), password: z.string(), remember: z.string().optional() });
const Echo = z.object({ email: z.string() });

@Controller('auth')
class AuthController {
  @Post('login')
  @HttpCode(200)
  @Answers({ 200: Echo })
  login(@Body({ schema: LoginBody }) body: z.infer<typeof LoginBody>) {
    return { ...body, passwordHash: 'must not come out' };
  }

  @Get('me')
  me(@Req() request: FastifyRequest) {
    return { address: clientAddress(request), proxied: isFromTrustedProxy(request) };
  }

  @Patch('me')
  rename() {
    return {};
  }

  @Post('logout')
  @HttpCode(204)
  @Answers({ 204: null })
  logout(@Res({ passthrough: true }) reply: FastifyReply) {
    reply.header('set-cookie', 'other=1');
    expireCookieAlways(reply, 'sid=; Path=/; Max-Age=0');
    expireCookieAlways(reply, 'rt=; Path=/; Max-Age=0');
    throw new Problem('credential_missing');
  }

  @Delete('sessions/:id')
  end(@Param('id') id: string) {
    return { id };
  }
}

@Controller('session')
class SessionController {
  @Post()
  @HttpCode(200)
  @AcceptsForm()
  create(@Body({ schema: FormBody }) body: z.infer<typeof FormBody>) {
    return body;
  }
}

/** Routes that go wrong, each in its own way. */
@Controller('faults')
class FaultsController {
  @Get('throw')
  throw() {
    throw new Error('canary: SELECT * FROM users, /srv/app/main.js');
  }

  @Get('reject')
  async reject() {
    await Promise.resolve();
    throw Object.assign(new Error('canary'), { parameters: ['canary-parameter'], statusCode: 418 });
  }

  @Get('not-an-error')
  notAnError() {
    throw { canary: true } as unknown;
  }

  @Get('unavailable')
  unavailable(@Res({ passthrough: true }) reply: FastifyReply) {
    reply.header('set-cookie', 'sid=stolen');
    reply.raw.setHeader('set-cookie', 'rt=stolen');
    throw new Problem('unavailable', { retryAfterSeconds: 3.2, cause: new Error('connection refused') });
  }

  @Get('express-session')
  session(@Req() request: FastifyRequest) {
    Object.assign(request.raw, { session: { id: 'x' } });
    throw new Problem('unavailable');
  }

  @Get('logout-unavailable')
  logoutUnavailable(@Res({ passthrough: true }) reply: FastifyReply) {
    expireCookieAlways(reply, 'sid=; Path=/; Max-Age=0');
    throw new Problem('unavailable');
  }

  @Get('logout-done')
  logoutDone(@Res({ passthrough: true }) reply: FastifyReply) {
    expireCookieAlways(reply, 'sid=; Path=/; Max-Age=0');
    return {};
  }

  @Get('nest-:status')
  nest(@Param('status') status: string) {
    // As terminus does: a body of its own, with the details of what is down.
    throw new HttpException({ message: 'canary', details: { database: 'down' } }, Number(status));
  }

  @Get('halfway')
  halfway(@Res({ passthrough: true }) reply: FastifyReply) {
    reply.raw.writeHead(200, { 'content-length': '100' });
    reply.raw.write('half');
    throw new Error('canary');
  }

  @Get('many')
  @Header('Cache-Control', 'public, max-age=300')
  many() {
    throw new Problem('validation_failed', {
      errors: Array.from({ length: 30 }, (_, i) => ({ path: `f${i}`, message: 'no' })),
    });
  }

  @Get('limited')
  limited() {
    throw new Problem('too_many_requests', { retryAfterSeconds: 60 });
  }

  @Get('wrong-answer')
  @Answers({ 200: z.object({ list: z.array(z.string()) }) })
  wrongAnswer() {
    return { list: 5 };
  }
}

@Controller()
class OtherController {
  @Get('keys')
  @Header('Cache-Control', 'public, max-age=300')
  @Header('Vary', 'Origin')
  keys() {
    return { keys: [] };
  }

  @Get('docs')
  docs() {
    return { page: true };
  }

  @Get('docs/missing')
  missing() {
    throw new Problem('not_found');
  }

  @Get('slow')
  async slow() {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return { slow: true };
  }
}

/** What other parts of an application do at shutdown takes a while. */
export class SlowGoodbye implements BeforeApplicationShutdown {
  milliseconds = 100;

  async beforeApplicationShutdown(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.milliseconds));
  }
}

@Module({
  controllers: [AuthController, SessionController, FaultsController, OtherController],
  providers: [SlowGoodbye, { provide: WWW_AUTHENTICATE, useValue: CHALLENGES }],
})
class HttpTestModule {}

/** A running application with our adapter, and what it logged. */
export interface HttpApp {
  readonly app: NestFastifyApplication;
  readonly port: number;
  readonly url: string;
  readonly log: string[];
}

/** Starts the test routes on a free port. `environment` is added to that of a test, `limits` change those of the contract. */
export async function startHttpApp(
  environment: Readonly<Record<string, string>> = {},
  limits: Partial<HttpLimits> = {},
): Promise<HttpApp> {
  const config = loadConfig({
    environment: { NODE_ENV: 'test', PORT: '3999', LOG_FORMAT: 'json', APP_SECRET, ...environment },
    directory: tmpdir(),
    strategyNames: ['session', 'jwt'],
  });
  const log: string[] = [];
  const logger = createLogger(config, { write: (line) => void log.push(line) });
  const adapter = createHttpAdapter(config, logger, { ...HTTP_LIMITS, ...limits });
  const app = await NestFactory.create<NestFastifyApplication>(HttpTestModule, adapter, { logger: false });
  usePagePolicy(app, '/docs', DOCS_POLICY);
  configureHttp(app, logger);
  await app.listen(0, '127.0.0.1');
  const address = app.getHttpServer().address();
  if (typeof address !== 'object' || address === null) throw new Error('not listening');
  return { app, port: address.port, url: `http://127.0.0.1:${address.port}`, log };
}
