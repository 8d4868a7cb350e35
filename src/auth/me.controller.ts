import { Body, Controller, Get, Patch, Req } from '@nestjs/common';
import { Answers } from '../http/answers.js';
import { Problem } from '../http/problem.js';
import { ApiOperation, ApiTags } from '../openapi/decorators.js';
import type { AuthenticatedRequest, UserView } from '../principal/authentication.js';
import { CurrentUser, authenticationOf } from '../principal/decorators.js';
import { ProfileIn, UserOut } from '../users/user.schemas.js';
import { UsersService } from '../users/users.service.js';

@ApiTags('me')
@Controller('auth/me')
export class MeController {
  constructor(private readonly users: UsersService) {}

  /** `@CurrentUser()` would do; but Nest takes what a decorator of ours gives through its pipes, a twentieth of this request. */
  @Get()
  @ApiOperation({ summary: 'The signed-in user' })
  @Answers({ 200: UserOut })
  me(@Req() request: AuthenticatedRequest): UserView {
    return authenticationOf(request).user;
  }

  @Patch()
  @ApiOperation({ summary: 'Change my name; null clears it' })
  @Answers({ 200: UserOut })
  async change(
    @Body({ schema: ProfileIn }) { name }: ProfileIn,
    @CurrentUser() user: UserView,
  ): Promise<UserView> {
    const renamed = await this.users.rename(user.id, name);
    // Deleted in the moment between guard and handler.
    if (!renamed) throw new Problem('credential_invalid');
    return renamed;
  }
}
