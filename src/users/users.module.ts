import { Module } from '@nestjs/common';
import { UserStates } from './user-states.js';
import { UsersService } from './users.service.js';

@Module({ providers: [UsersService, UserStates], exports: [UsersService, UserStates] })
export class UsersModule {}
