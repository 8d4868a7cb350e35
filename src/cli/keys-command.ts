import type { Command } from 'commander';
import type { SigningKeyInfo } from '../keys/signing-key-store.js';
import type { KeysTools } from './keys-context.js';
import { table } from './table.js';

type WithKeys = <T>(work: (tools: KeysTools) => Promise<T>) => Promise<T>;

/** `keys list` and `keys rotate [--compromised]`. */
export function addKeysCommands(program: Command, print: (text: string) => void, withKeys: WithKeys): void {
  const keys = program.command('keys').description('The keys that sign access tokens');

  keys
    .command('list')
    .description('All signing keys, the newest to sign first')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const list = await withKeys(({ store }) => store.list());
      print(json ? JSON.stringify({ keys: list }) : listing(list));
    });

  keys
    .command('rotate')
    .description('Make the next key; it is published at once and signs 15 minutes later')
    .option('--compromised', 'withdraw all keys at once: every access token dies, sessions go on')
    .option('--json', 'print JSON')
    .action(async ({ compromised, json }: { compromised?: boolean; json?: boolean }) => {
      const [key] = await withKeys(async ({ rotation, store }) => {
        const kid = compromised ? await rotation.replaceCompromised() : await rotation.rotateNow();
        return (await store.list()).filter(({ id }) => id === kid);
      });
      if (!key) throw new Error('the key that was made is not there');
      print(json ? JSON.stringify({ key }) : report(key, compromised === true));
    });
}

function listing(keys: readonly SigningKeyInfo[]): string {
  if (keys.length === 0) return 'There is no key yet: the first start of the service makes one.';
  return table([
    ['KEY', 'ALGORITHM', 'STATE', 'SIGNS FROM', 'RETIRED', 'WITHDRAWN'],
    ...keys.map(({ id, algorithm, state, signsFrom, retiredAt, withdrawnAt }) => [
      id,
      algorithm,
      state,
      ...[signsFrom, retiredAt, withdrawnAt].map((at) => at?.toISOString() ?? '-'),
    ]),
  ]);
}

function report({ id, signsFrom }: SigningKeyInfo, compromised: boolean): string {
  return compromised
    ? `Key ${id} signs now. All others are withdrawn: Latchkey refuses what they signed within a second, services that cache the JWKS when they fetch it again.`
    : `Key ${id} is published now and signs from ${signsFrom.toISOString()} on. The present one is accepted until nothing that it signed can be alive.`;
}
