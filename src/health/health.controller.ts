import { Controller, Get } from '@nestjs/common';
import { HealthCheckService } from '@nestjs/terminus';
import { z } from 'zod';
import { Answers } from '../http/answers.js';
import { ApiOperation, ApiTags } from '../openapi/decorators.js';
import { Public } from '../principal/decorators.js';
import { Readiness } from './readiness.js';

const HealthOut = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });

/** For orchestrators and load balancers. Tells whether, never why: details are in the log. */
@ApiTags('health')
@Controller('health')
@Public()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly readiness: Readiness,
  ) {}

  @Get('live')
  @ApiOperation({ summary: 'The process is alive' })
  @Answers({ 200: HealthOut })
  live() {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({
    summary: 'The database answers, and the node neither stalls nor shuts down; 503 otherwise',
  })
  @Answers({ 200: HealthOut })
  async ready() {
    return this.health.check([() => this.readiness.isReady()]);
  }
}
