import { Command } from 'commander';
import type { CommandSurroundings } from './context.js';
import { addKeysCommands } from './keys-command.js';
import { addModeCommands } from './mode-command.js';

/**
 * The command line of operators (contract section 9). A usage error is a CommanderError, printed already; anything else that is
 * thrown means that the command was refused. The application is loaded only by a command that needs it: help is there at once.
 */
export function createProgram(surroundings: CommandSurroundings): Command {
  const program = new Command('latchkey')
    .description('Latchkey, the sign-in API: what an operator does beside the running service.')
    .addHelpText(
      'after',
      '\nSettings come from the environment, .env.<NODE_ENV> and .env, as for the service itself.',
    )
    .configureOutput({ writeErr: (text) => surroundings.warn(text.trimEnd()) })
    .exitOverride();
  addKeysCommands(program, surroundings.print, async (work) => {
    const { withKeys } = await import('./keys-context.js');
    return withKeys(surroundings, work);
  });
  addModeCommands(program, surroundings, async (work) => {
    const { withModeSwitch } = await import('./mode-context.js');
    return withModeSwitch(surroundings, work);
  });
  return program;
}
