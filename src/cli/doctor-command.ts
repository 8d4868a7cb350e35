import { type Command, InvalidArgumentError } from 'commander';
import type { AccountsTools, WithAccounts } from './accounts-context.js';
import type { CommandSurroundings } from './context.js';
import type { Finding } from './doctor-checks.js';
import { Refusal } from './refusal.js';

const TIMEOUTS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];

/** `doctor [url]`: what is wrong with a deployment, seen from outside, and with the database of these settings. */
export function addDoctorCommand(
  program: Command,
  surroundings: CommandSurroundings,
  withAccounts: WithAccounts,
): void {
  program
    .command('doctor [url]')
    .description(
      'Look for what is wrong with a running deployment (PUBLIC_ORIGIN, or the url) and its database',
    )
    .option(
      '--origin <origin>',
      'an origin whose pages are to sign in, such as https://app.example.com',
      originOf,
    )
    .option('--json', 'print JSON')
    .action(async (url: string | undefined, { origin, json }: { origin?: string; json?: boolean }) => {
      const [{ configOf }, { checkDeployment }] = await Promise.all([
        import('./context.js'),
        import('./doctor-checks.js'),
      ]);
      const config = configOf(surroundings);
      const findings = await checkDeployment(originOf(url ?? config.server.publicOrigin), origin);
      if (config.database.directUrl !== null) findings.push(...(await withAccounts(checkTimeouts)));
      surroundings.print(json ? JSON.stringify({ findings }) : findings.map(line).join('\n'));
      const bad = findings.filter(({ ok }) => !ok).length;
      if (bad > 0) throw new Refusal(`${bad} of ${findings.length} checks failed`);
    });
}

/** Behind a pooler the limits are not sent along: the role must have them. */
async function checkTimeouts({ database }: AccountsTools): Promise<Finding[]> {
  const rows = await database.query<{ name: string; setting: string }>(
    'SELECT name, setting FROM pg_settings WHERE name = ANY ($1) ORDER BY name',
    [TIMEOUTS],
  );
  return rows.map(({ name, setting }) => ({
    check: name,
    ok: setting !== '0',
    detail:
      setting === '0' ? `none: ALTER ROLE ... SET ${name} for the role of DATABASE_URL` : `${setting} ms`,
  }));
}

function line({ check, ok, detail }: Finding): string {
  return `${ok ? 'ok  ' : 'BAD '} ${check}: ${detail}`;
}

function originOf(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return new URL(text).origin;
  throw new InvalidArgumentError('It must be an origin such as https://auth.example.com.');
}
