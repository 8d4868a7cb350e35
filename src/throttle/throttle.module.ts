import { Module } from '@nestjs/common';
import { AddressThrottle } from './address-throttle.js';
import { KnownAddresses } from './known-addresses.js';
import { LoginThrottle } from './login-throttle.js';
import { PasswordThrottle } from './password-throttle.js';
import { Throttle } from './throttle.js';
import { ThrottleKeys } from './throttle-keys.js';
import { ThrottlePruner } from './throttle-pruner.js';

@Module({
  providers: [
    Throttle,
    ThrottleKeys,
    KnownAddresses,
    LoginThrottle,
    AddressThrottle,
    PasswordThrottle,
    ThrottlePruner,
  ],
  exports: [Throttle, KnownAddresses, LoginThrottle, AddressThrottle, PasswordThrottle],
})
export class ThrottleModule {}
