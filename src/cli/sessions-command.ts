import { type Command, InvalidArgumentError } from 'commander';
import type { LiveSession, SessionSelection } from '../admin/operator-sessions.js';
import { duration } from '../config/duration.js';
import { COMMAND_LINE_ACT } from '../events/act.js';
import type { AccountsTools, WithAccounts } from './accounts-context.js';
import { userByEmail } from './user-by-email.js';
import { table } from './table.js';

const DEFAULT_ROWS = 100;
const MAX_ROWS = 10_000;

interface Selected {
  readonly user?: string;
  readonly since?: Date;
  readonly json?: boolean;
}

/** `sessions list` and `sessions end`. */
export function addSessionsCommands(
  program: Command,
  print: (text: string) => void,
  withAccounts: WithAccounts,
): void {
  const sessions = program.command('sessions').description('Who is signed in');

  sessions
    .command('list')
    .description('Live sessions, the newest first')
    .option('--user <email>', 'of this user only')
    .option('--since <time>', 'started since then: 2026-11-21T18:00:00Z, or 2h for the last two hours', time)
    .option('--limit <rows>', 'at most so many', rows, DEFAULT_ROWS)
    .option('--json', 'print JSON')
    .action(async ({ limit, json, ...selected }: Selected & { limit: number }) => {
      const list = await withAccounts(async (tools) =>
        tools.sessions.list(await selectionOf(tools, selected), limit),
      );
      print(json ? JSON.stringify({ sessions: list }) : listing(list));
    });

  const end = sessions
    .command('end')
    .description('End live sessions on all nodes within a second; say which')
    .option('--user <email>', 'those of this user')
    .option(
      '--since <time>',
      'those started since then: 2026-11-21T18:00:00Z, or 2h for the last two hours',
      time,
    )
    .option('--all', "everybody's")
    .option('--json', 'print JSON')
    .action(async ({ all, json, ...selected }: Selected & { all?: boolean }) => {
      const some = selected.user !== undefined || selected.since !== undefined;
      if (some === (all === true)) end.error('error: say which sessions: --user, --since or both, or --all');
      const ended = await withAccounts(async (tools) =>
        tools.sessions.end(await selectionOf(tools, selected), COMMAND_LINE_ACT),
      );
      print(json ? JSON.stringify({ ended }) : `Ended ${ended} ${ended === 1 ? 'session' : 'sessions'}.`);
    });
}

async function selectionOf(tools: AccountsTools, { user, since }: Selected): Promise<SessionSelection> {
  return {
    ...(user !== undefined && { userId: (await userByEmail(tools, user)).id }),
    ...(since !== undefined && { since }),
  };
}

/** A time, or how long ago. */
function time(text: string): Date {
  const seconds = duration(text, () => undefined);
  const at = seconds === undefined ? new Date(text) : new Date(Date.now() - seconds * 1000);
  const absolute = /^\d{4}-\d\d-\d\d(T|$)/.test(text);
  if ((seconds === undefined && !absolute) || Number.isNaN(at.getTime())) {
    throw new InvalidArgumentError(
      'It is neither a time such as 2026-11-21T18:00:00Z nor a duration such as 2h.',
    );
  }
  return at;
}

function rows(text: string): number {
  const count = Number(text);
  if (/^[1-9]\d*$/.test(text) && count <= MAX_ROWS) return count;
  throw new InvalidArgumentError(`It must be 1 to ${MAX_ROWS}.`);
}

function listing(list: readonly LiveSession[]): string {
  if (list.length === 0) return 'Nobody is signed in.';
  return table([
    ['SESSION', 'USER', 'HOLDS', 'STARTED', 'LAST SEEN', 'ADDRESS'],
    ...list.map(({ id, email, strategies, createdAt, lastSeenAt, ip }) => [
      id,
      email,
      strategies.join(','),
      createdAt.toISOString(),
      lastSeenAt.toISOString(),
      ip ?? '-',
    ]),
  ]);
}
