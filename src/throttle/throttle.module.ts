import { Module } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database } from '../database/database.js';
import { LOGGER } from '../http/logger.js';
import { AddressThrottle } from './address-throttle.js';
import { KnownAddresses } from './known-addresses.js';
import { LoginThrottle } from './login-throttle.js';
import { COUNTERS, openCounters } from './open-counters.js';
import { PasswordThrottle } from './password-throttle.js';
import { Throttle } from './throttle.js';
import { ThrottleKeys } from './throttle-keys.js';
import { ThrottlePruner } from './throttle-pruner.js';

@Module({
  providers: [
    { provide: COUNTERS, useFactory: openCounters, inject: [AppConfig, Database, LOGGER] },
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
