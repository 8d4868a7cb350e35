import type { Command } from 'commander';
import { COMMAND_LINE_ACT } from '../events/act.js';
import type { UserId } from '../principal/principal.js';
import { nameField } from '../users/display-name.js';
import { rolesField } from '../users/role-names.js';
import type { AccountsTools, WithAccounts } from './accounts-context.js';
import type { CommandSurroundings } from './context.js';
import { generatePassword } from './one-time-password.js';
import { Refusal } from './refusal.js';
import { emailOf, userByEmail } from './user-by-email.js';

const ONCE = 'It is shown this once. Whoever gets it should sign in and change it at once.';

interface CreateOptions {
  readonly role?: string[];
  readonly name?: string;
  readonly passwordStdin?: boolean;
  readonly json?: boolean;
}

/** `user create`, `set-password`, `disable`, `enable`, `delete` and `roles`. A password is never an argument: those are seen by everybody. */
export function addUserCommands(
  program: Command,
  surroundings: CommandSurroundings,
  withAccounts: WithAccounts,
): void {
  const { print } = surroundings;
  const user = program.command('user').description('Accounts');

  user
    .command('create <email>')
    .description('Make an account, the first administrator too; prints a generated password')
    .option('--role <role>', 'a role besides "user"; may be given several times', collect)
    .option('--name <name>', 'what to call the user')
    .option('--password-stdin', 'read the password from the standard input instead of generating one')
    .option('--json', 'print JSON')
    .action(async (email: string, { role = [], name, passwordStdin, json }: CreateOptions) => {
      const account = { email: emailOf(email), roles: rolesOf(role), name: nameOf(name) };
      const given = passwordStdin ? withoutLineEnd(await surroundings.readInput()) : null;
      const { created, generated } = await withAccounts(async (tools) => {
        const made = given === null ? generatePassword(tools.minPasswordLength) : null;
        const password = given ?? made ?? '';
        const { id } = await tools.creation.create({ ...account, password }, COMMAND_LINE_ACT);
        return { created: await shown(tools, id), generated: made };
      });
      const lines = [`Created ${created.email} (${created.id}) with the roles ${created.roles.join(', ')}.`];
      if (generated !== null) lines.push(`Password: ${generated}`, ONCE);
      print(
        json
          ? JSON.stringify({ user: created, ...(generated !== null && { password: generated }) })
          : lines.join('\n'),
      );
    });

  user
    .command('set-password <email>')
    .description('Replace a forgotten password by a generated one, which it prints; ends all sessions')
    .option('--json', 'print JSON')
    .action(async (email: string, { json }: { json?: boolean }) => {
      const { account, password } = await withAccounts(async (tools) => {
        const found = await userByEmail(tools, email);
        const made = generatePassword(tools.minPasswordLength);
        await tools.administration.resetPassword(found.id, await tools.hasher.hash(made), COMMAND_LINE_ACT);
        return { account: await shown(tools, found.id), password: made };
      });
      print(
        json
          ? JSON.stringify({ user: account, password })
          : `All sessions of ${account.email} have ended.\nPassword: ${password}\n${ONCE}`,
      );
    });

  addStateCommand(
    user,
    'disable',
    'Let the user in no more, and end all their sessions',
    'is disabled; all sessions have ended',
  );
  addStateCommand(user, 'enable', 'Let the user sign in again; no session comes back', 'may sign in');

  user
    .command('delete <email>')
    .description('Delete the account for good, with its sessions; the audit keeps its id')
    .option('--json', 'print JSON')
    .action(async (email: string, { json }: { json?: boolean }) => {
      const deleted = await withAccounts(async (tools) => {
        const { id, email: canonical } = await userByEmail(tools, email);
        await tools.administration.remove(id, COMMAND_LINE_ACT);
        return { id, email: canonical };
      });
      print(json ? JSON.stringify({ deleted }) : `Deleted ${deleted.email} (${deleted.id}).`);
    });

  user
    .command('roles <email> [roles...]')
    .description('Replace the roles by exactly these ("user" always stays); without any, show them')
    .option('--json', 'print JSON')
    .action(async (email: string, roles: string[], { json }: { json?: boolean }) => {
      const wanted = roles.length > 0 ? rolesOf(roles) : null;
      const account = await withAccounts(async (tools) => {
        const { id } = await userByEmail(tools, email);
        if (wanted !== null) await tools.administration.setRoles(id, wanted, COMMAND_LINE_ACT);
        return shown(tools, id);
      });
      print(json ? JSON.stringify({ user: account }) : `${account.email}: ${account.roles.join(', ')}`);
    });

  function addStateCommand(
    parent: Command,
    state: 'disable' | 'enable',
    description: string,
    done: string,
  ): void {
    parent
      .command(`${state} <email>`)
      .description(description)
      .option('--json', 'print JSON')
      .action(async (email: string, { json }: { json?: boolean }) => {
        const account = await withAccounts(async (tools) => {
          const { id } = await userByEmail(tools, email);
          await tools.administration[state](id, COMMAND_LINE_ACT);
          return shown(tools, id);
        });
        print(json ? JSON.stringify({ user: account }) : `${account.email} ${done}.`);
      });
  }
}

async function shown({ search }: AccountsTools, id: UserId) {
  const user = await search.findById(id);
  if (!user) throw new Error('the user is gone in the meantime');
  return user;
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function rolesOf(names: readonly string[]): string[] {
  const roles = rolesField.safeParse(names);
  if (roles.success) return roles.data;
  throw new Refusal(`a role ${roles.error.issues[0]?.message ?? 'is not valid'}`);
}

function nameOf(text: string | undefined): string | null {
  if (text === undefined) return null;
  const name = nameField.safeParse(text);
  if (name.success) return name.data;
  throw new Refusal(`the name ${name.error.issues[0]?.message ?? 'is not valid'}`);
}

/** What `echo` adds is not part of a password. */
function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}
