import { Module } from '@nestjs/common';
import { STRATEGIES } from '../auth/strategies/index.js';
import { AuditCounter } from '../audit/audit-counter.js';
import { AuditRecorder } from '../audit/audit-recorder.js';
import { AppConfig } from '../config/app-config.js';
import { EventsModule } from '../events/events.module.js';
import { ModeSwitch } from '../sessions/mode-switch.js';
import { type CommandSurroundings, withContext } from './context.js';

@Module({ imports: [EventsModule], providers: [AuditCounter, AuditRecorder, ModeSwitch] })
class ModeCliModule {}

/** What the `mode` commands work with. */
export interface ModeTools {
  readonly modeSwitch: ModeSwitch;
  /** `AUTH_MODE` of this configuration, the primary strategy first. */
  readonly mode: readonly string[];
  /** Every strategy that `AUTH_MODE` may name. */
  readonly known: readonly string[];
}

/** Runs `work` with the numbers of the application's database. */
export async function withModeSwitch<T>(
  surroundings: CommandSurroundings,
  work: (tools: ModeTools) => Promise<T>,
): Promise<T> {
  return withContext(surroundings, ModeCliModule, (context) =>
    work({
      modeSwitch: context.get(ModeSwitch),
      mode: context.get(AppConfig).auth.mode,
      known: Object.keys(STRATEGIES),
    }),
  );
}
