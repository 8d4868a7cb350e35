import { Command } from 'commander';
import type { WithAccounts } from './accounts-context.js';
import type { CommandSurroundings } from './context.js';
import { addConfigCommands } from './config-command.js';
import { addDoctorCommand } from './doctor-command.js';
import { addKeysCommands } from './keys-command.js';
import { addModeCommands } from './mode-command.js';
import { addServiceCommands } from './service-commands.js';
import { addSessionsCommands } from './sessions-command.js';
import { addUserCommands } from './user-command.js';

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
    .configureOutput({
      writeOut: (text) => surroundings.print(text.trimEnd()),
      writeErr: (text) => surroundings.warn(text.trimEnd()),
    })
    .exitOverride();
  addKeysCommands(program, surroundings.print, async (work) => {
    const { withKeys } = await import('./keys-context.js');
    return withKeys(surroundings, work);
  });
  addModeCommands(program, surroundings, async (work) => {
    const { withModeSwitch } = await import('./mode-context.js');
    return withModeSwitch(surroundings, work);
  });
  const withAccounts: WithAccounts = async (work) => {
    const context = await import('./accounts-context.js');
    return context.withAccounts(surroundings, work);
  };
  addServiceCommands(program, surroundings, withAccounts);
  addConfigCommands(program, surroundings);
  addUserCommands(program, surroundings, withAccounts);
  addDoctorCommand(program, surroundings, withAccounts);
  addSessionsCommands(program, surroundings.print, withAccounts);
  return program;
}
