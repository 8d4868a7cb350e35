import { Module } from '@nestjs/common';
import { KeyRotation } from '../keys/key-rotation.js';
import { SigningKeyStore } from '../keys/signing-key-store.js';
import { type CommandSurroundings, withContext } from './context.js';

/** The upkeep of the signing keys without their ring: a command makes no keys by merely looking. */
@Module({ providers: [KeyRotation, SigningKeyStore] })
class KeysCliModule {}

/** What the `keys` commands work with. */
export interface KeysTools {
  readonly rotation: KeyRotation;
  readonly store: SigningKeyStore;
}

/** Runs `work` with the signing keys of the application's database. */
export async function withKeys<T>(
  surroundings: CommandSurroundings,
  work: (tools: KeysTools) => Promise<T>,
): Promise<T> {
  return withContext(surroundings, KeysCliModule, (context) =>
    work({ rotation: context.get(KeyRotation), store: context.get(SigningKeyStore) }),
  );
}
