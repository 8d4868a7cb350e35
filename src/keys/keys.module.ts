import { Module } from '@nestjs/common';
import { JwksController } from './jwks.controller.js';
import { KeyRing } from './key-ring.js';
import { KeyRotation } from './key-rotation.js';
import { SigningKeyStore } from './signing-key-store.js';

/** In every mode: services behind a gateway verify our tokens whatever the browser holds. */
@Module({
  controllers: [JwksController],
  providers: [KeyRing, KeyRotation, SigningKeyStore],
  exports: [KeyRing, KeyRotation],
})
export class KeysModule {}
