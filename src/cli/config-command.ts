import type { Command } from 'commander';
import type { CommandSurroundings } from './context.js';

/** `config check` and `config print`. Neither touches the database. */
export function addConfigCommands(program: Command, surroundings: CommandSurroundings): void {
  const { print } = surroundings;
  const config = program.command('config').description('The settings');

  config
    .command('check')
    .description('Say what is wrong with the settings, one line for each problem')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { configOf } = await import('./context.js');
      configOf(surroundings);
      print(json ? JSON.stringify({ valid: true }) : 'The settings are valid.');
    });

  config
    .command('print')
    .description('The settings in force, defaults included; secrets are masked')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { configOf } = await import('./context.js');
      const settings = configOf(surroundings).toJSON();
      const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
      print(json ? JSON.stringify(settings) : lines.join('\n'));
    });
}
