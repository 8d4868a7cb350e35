import { Module } from '@nestjs/common';
import { KeyRotation } from '../keys/key-rotation.js';
import { SigningKeyStore } from '../keys/signing-key-store.js';

/** The upkeep of the signing keys without their ring: a command makes no keys by merely looking. */
@Module({ providers: [KeyRotation, SigningKeyStore] })
export class KeysCliModule {}
