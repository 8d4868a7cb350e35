import { Controller, Delete, Get, HttpCode, Param } from '@nestjs/common';
import { z } from 'zod';
import { Answers } from '../http/answers.js';
import { Problem } from '../http/problem.js';
import { ApiOperation, ApiTags } from '../openapi/decorators.js';
import type { Principal, SessionId } from '../principal/principal.js';
import { CurrentPrincipal } from '../principal/decorators.js';
import { SessionsService } from './sessions.service.js';

const SessionListOut = z
  .object({
    sessions: z.array(
      z.object({
        id: z.uuid(),
        strategies: z.array(z.string()).describe('What kinds of credential the device holds for it'),
        createdAt: z.iso.datetime(),
        lastSeenAt: z.iso.datetime().describe('Up to a minute behind'),
        expiresAt: z.iso.datetime(),
        ip: z.string().nullable().describe('The address that it was started from'),
        userAgent: z.string().nullable(),
        current: z.boolean().describe('The session of this request'),
      }),
    ),
  })
  .meta({ id: 'SessionList' });

/** My devices: the live sessions of the signed-in user. */
@ApiTags('sessions')
@Controller('auth/sessions')
export class SessionsController {
  constructor(private readonly sessions: SessionsService) {}

  @Get()
  @ApiOperation({ summary: 'My sessions, newest first' })
  @Answers({ 200: SessionListOut })
  async list(@CurrentPrincipal() { userId, sessionId }: Principal) {
    const sessions = await this.sessions.listLive(userId);
    return { sessions: sessions.map((session) => ({ ...session, current: session.id === sessionId })) };
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'End one of my sessions' })
  @Answers({ 204: null })
  async end(@Param('id') id: string, @CurrentPrincipal() { userId }: Principal): Promise<void> {
    const sessionId = z.uuid().safeParse(id);
    const ended =
      sessionId.success && (await this.sessions.endOwn(userId, sessionId.data as SessionId, 'ended_by_user'));
    if (!ended) throw new Problem('not_found', { detail: 'You have no live session of that id.' });
  }

  @Delete()
  @HttpCode(204)
  @ApiOperation({ summary: 'End all my sessions but this one' })
  @Answers({ 204: null })
  async endOthers(@CurrentPrincipal() { userId, sessionId }: Principal): Promise<void> {
    await this.sessions.endOthers(userId, [sessionId], 'ended_by_user');
  }
}
