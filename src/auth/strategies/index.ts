import type { Type } from '@nestjs/common';
import type { AuthStrategy } from '../auth-strategy.js';
import { JwtStrategy } from './jwt.strategy.js';
import { SessionStrategy } from './session.strategy.js';

/**
 * The strategies that `AUTH_MODE` may name. Only the enabled ones are instantiated. To add one: write its file beside these,
 * add its line here, and let the conformance suite run (docs/adding-a-strategy.md).
 */
export const STRATEGIES = {
  session: SessionStrategy,
  jwt: JwtStrategy,
} as const satisfies Record<string, Type<AuthStrategy>>;
