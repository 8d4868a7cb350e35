import { Module } from '@nestjs/common';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersModule } from '../users/users.module.js';
import { AdminUsersController } from './admin-users.controller.js';
import { UserAdministration } from './user-administration.js';
import { UserSearch } from './user-search.js';

@Module({
  imports: [UsersModule, SessionsModule],
  controllers: [AdminUsersController],
  providers: [UserAdministration, UserSearch],
})
export class AdminModule {}
