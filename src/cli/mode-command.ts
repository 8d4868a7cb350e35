import type { Command } from 'commander';
import type { CommandSurroundings } from './context.js';
import type { ModeTools } from './mode-context.js';
import { finish } from './mode-finish.js';
import { readStatus, statusText } from './mode-status.js';

type WithModeSwitch = <T>(work: (tools: ModeTools) => Promise<T>) => Promise<T>;

/** `mode status` and `mode finish <strategy> [--force]`: docs/switching-modes.md. */
export function addModeCommands(
  program: Command,
  { print, warn }: Pick<CommandSurroundings, 'print' | 'warn'>,
  withModeSwitch: WithModeSwitch,
): void {
  const mode = program.command('mode').description('The change from one auth mode to another');

  mode
    .command('status')
    .description('What live sessions are shown by, when that was last used, and who a finish would sign out')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const status = await withModeSwitch(readStatus);
      print(json ? JSON.stringify(status) : statusText(status));
    });

  mode
    .command('finish')
    .description('Withdraw all credentials of a strategy; refused while that would sign anybody out')
    .argument('<strategy>', 'the strategy that is over, as AUTH_MODE names it')
    .option('--force', 'end the sessions that hold nothing else')
    .option('--json', 'print JSON')
    .action(async (strategy: string, { force = false, json }: { force?: boolean; json?: boolean }) => {
      const done = await withModeSwitch((tools) => finish(tools, { strategy, force, progress: warn }));
      print(
        json
          ? JSON.stringify({ strategy, ...done })
          : `Withdrew ${strategy} from ${done.withdrawn} sessions; ${done.ended === 0 ? 'nobody was signed out' : `ended the ${done.ended} that held nothing else`}. Now take ${strategy} off AUTH_MODE.`,
      );
    });
}
