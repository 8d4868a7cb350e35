import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { z } from 'zod';
import type { Act } from '../events/act.js';
import { CurrentAct } from '../events/current-act.js';
import { Answers } from '../http/answers.js';
import { Problem } from '../http/problem.js';
import { ApiOperation, ApiTags } from '../openapi/decorators.js';
import { Roles } from '../principal/decorators.js';
import type { UserId } from '../principal/principal.js';
import { AdministeredUserOut, RolesIn, UserPageOut, UsersQuery, cursorAfter } from './admin-users.schemas.js';
import { UserAdministration } from './user-administration.js';
import { type AdministeredUser, UserSearch } from './user-search.js';

/** Accounts, for those with the role `admin`. */
@ApiTags('admin')
@Controller('admin/users')
@Roles('admin')
export class AdminUsersController {
  constructor(
    private readonly search: UserSearch,
    private readonly administration: UserAdministration,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Search users by the beginning of email or name, or by id; newest first' })
  @Answers({ 200: UserPageOut })
  async list(@Query({ schema: UsersQuery }) { query, limit, cursor }: UsersQuery) {
    const found = await this.search.find({ query, limit: limit + 1, after: cursor });
    const users = found.slice(0, limit);
    const last = users.at(-1);
    return { users: users.map(shown), next: found.length > limit && last ? cursorAfter(last.id) : null };
  }

  @Get(':id')
  @ApiOperation({ summary: 'One user' })
  @Answers({ 200: AdministeredUserOut })
  async one(@Param('id') id: string) {
    const user = await this.search.findById(userId(id));
    if (!user) throw unknownUser();
    return shown(user);
  }

  @Post(':id/disable')
  @HttpCode(204)
  @ApiOperation({ summary: 'Let the user in no more, and end all their sessions' })
  @Answers({ 204: null })
  async disable(@Param('id') id: string, @CurrentAct() act: Act): Promise<void> {
    await this.administration.disable(userId(id), act);
  }

  @Post(':id/enable')
  @HttpCode(204)
  @ApiOperation({ summary: 'Let the user sign in again; no session comes back' })
  @Answers({ 204: null })
  async enable(@Param('id') id: string, @CurrentAct() act: Act): Promise<void> {
    await this.administration.enable(userId(id), act);
  }

  @Put(':id/roles')
  @ApiOperation({ summary: 'Replace the roles of a user; "user" always stays' })
  @Answers({ 200: AdministeredUserOut })
  async setRoles(
    @Param('id') id: string,
    @Body({ schema: RolesIn }) { roles }: RolesIn,
    @CurrentAct() act: Act,
  ) {
    await this.administration.setRoles(userId(id), roles, act);
    return this.one(id);
  }

  @Delete(':id/sessions')
  @HttpCode(204)
  @ApiOperation({ summary: 'End all sessions of a user' })
  @Answers({ 204: null })
  async endSessions(@Param('id') id: string, @CurrentAct() act: Act): Promise<void> {
    await this.administration.endSessions(userId(id), 'ended_by_admin', act);
  }
}

function userId(text: string): UserId {
  const id = z.uuid().safeParse(text);
  if (!id.success) throw unknownUser();
  return id.data.toLowerCase() as UserId;
}

function unknownUser(): Problem {
  return new Problem('not_found', { detail: 'There is no user of that id.' });
}

/** Dates that may be missing are written here: Fastify's writer takes them for objects there. */
function shown(user: AdministeredUser) {
  return {
    ...user,
    disabledAt: user.disabledAt?.toISOString() ?? null,
    lastSeenAt: user.lastSeenAt?.toISOString() ?? null,
  };
}
