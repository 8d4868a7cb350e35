import { Module } from '@nestjs/common';
import { UserStates } from './user-states.js';
import { UserTurns } from './user-turns.js';
import { UsersService } from './users.service.js';

@Module({ providers: [UsersService, UserStates, UserTurns], exports: [UsersService, UserStates, UserTurns] })
export class UsersModule {}
