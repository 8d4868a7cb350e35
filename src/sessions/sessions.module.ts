import { Module } from '@nestjs/common';
import { CredentialStore } from './credential-store.js';
import { SessionActivity } from './session-activity.js';
import { SessionPruner } from './session-pruner.js';
import { SessionsController } from './sessions.controller.js';
import { SessionsService } from './sessions.service.js';

@Module({
  controllers: [SessionsController],
  providers: [SessionsService, CredentialStore, SessionActivity, SessionPruner],
  exports: [SessionsService, CredentialStore, SessionActivity],
})
export class SessionsModule {}
