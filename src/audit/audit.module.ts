import { Module } from '@nestjs/common';
import { AuditCounter } from './audit-counter.js';
import { AuditLog } from './audit-log.js';
import { AuditPruner } from './audit-pruner.js';
import { AuditRecorder } from './audit-recorder.js';
import { AuditController } from './audit.controller.js';

/** Listens to the security events; nobody else knows of it. */
@Module({
  controllers: [AuditController],
  providers: [AuditRecorder, AuditCounter, AuditPruner, AuditLog],
})
export class AuditModule {}
