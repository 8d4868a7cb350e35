import { Body, Controller, Get, Header, Patch, Req } from '@nestjs/common';
import { Answers } from '../http/answers.js';
import { Problem } from '../http/problem.js';
import { ApiOperation, ApiTags } from '../openapi/decorators.js';
import type { AuthenticatedRequest, UserView } from '../principal/authentication.js';
import { CurrentUser, authenticationOf } from '../principal/decorators.js';
import { ProfileIn, UserOut } from '../users/user.schemas.js';
import { UsersService } from '../users/users.service.js';

/** What of a user goes out. */
const FIELDS = Object.keys(UserOut.shape);

@ApiTags('me')
@Controller('auth/me')
export class MeController {
  /** Users in JSON, for as long as the principal cache remembers them. */
  private readonly written = new WeakMap<UserView, string>();

  constructor(private readonly users: UsersService) {}

  /**
   * `@CurrentUser()` and returning it would do. But Nest takes what a decorator of ours gives through its pipes, a twentieth of this
   * request, and writing the same user again is another.
   */
  @Get()
  @Header('content-type', 'application/json; charset=utf-8')
  @ApiOperation({ summary: 'The signed-in user' })
  @Answers({ 200: UserOut })
  me(@Req() request: AuthenticatedRequest): string {
    const { user } = authenticationOf(request);
    let json = this.written.get(user);
    if (json === undefined) {
      json = JSON.stringify(user, FIELDS);
      this.written.set(user, json);
    }
    return json;
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
