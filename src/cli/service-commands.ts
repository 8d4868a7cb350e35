import type { Command } from 'commander';
import type { WithAccounts } from './accounts-context.js';
import type { CommandSurroundings } from './context.js';

/** `start`, `migrate`, `prune` and `openapi`. */
export function addServiceCommands(
  program: Command,
  surroundings: CommandSurroundings,
  withAccounts: WithAccounts,
): void {
  const { print } = surroundings;

  program
    .command('start')
    .description('Serve, until SIGTERM or SIGINT; the same as node dist/src/main.js')
    .option('--json', 'log JSON lines: the same as LOG_FORMAT=json')
    .action(async ({ json = false }: { json?: boolean }) => surroundings.start({ json }));

  program
    .command('migrate')
    .description('Bring the tables up to date, whatever DATABASE_MIGRATE says')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { migrateDatabase } = await import('./context.js');
      await migrateDatabase(surroundings);
      print(json ? JSON.stringify({ migrated: true }) : 'The database is up to date.');
    });

  program
    .command('prune')
    .description('Delete now what is due: sessions that are long over, audit events beyond AUDIT_RETENTION')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const pruned = await withAccounts(async ({ sessionPruner, auditPruner }) => ({
        sessions: await sessionPruner.prune(),
        auditEvents: await auditPruner.prune(),
      }));
      print(
        json
          ? JSON.stringify({ pruned })
          : `Deleted ${pruned.sessions} sessions and ${pruned.auditEvents} audit events.`,
      );
    });

  program
    .command('openapi')
    .description('Print the OpenAPI document of these settings; needs no database')
    .option('--json', 'it is JSON in any case')
    .action(async () => {
      const { configOf } = await import('./context.js');
      print(JSON.stringify(await surroundings.openApi(configOf(surroundings)), null, 2));
    });
}
