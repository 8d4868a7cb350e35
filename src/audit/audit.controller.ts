import { Controller, Get } from '@nestjs/common';
import { Answers } from '../http/answers.js';
import { ApiOperation, ApiTags } from '../openapi/decorators.js';
import { CurrentPrincipal } from '../principal/decorators.js';
import type { Principal } from '../principal/principal.js';
import { AuditLog } from './audit-log.js';
import { AuditOut } from './audit.schemas.js';

/** What has happened to the signed-in user's account. */
@ApiTags('me')
@Controller('auth/audit')
export class AuditController {
  constructor(private readonly log: AuditLog) {}

  @Get()
  @ApiOperation({ summary: 'My newest 100 security events, newest first' })
  @Answers({ 200: AuditOut })
  async list(@CurrentPrincipal() { userId }: Principal) {
    const events = await this.log.newestOf(userId);
    return {
      events: events.map(({ details, ...event }) =>
        Object.keys(details).length > 0 ? { ...event, details } : event,
      ),
    };
  }
}
