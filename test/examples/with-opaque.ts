import { STRATEGIES } from '../../src/auth/strategies/index.js';
import { OpaqueStrategy } from './opaque.strategy.js';

/** The strategies of Latchkey and the one that docs/adding-a-strategy.md adds, by its one line. */
export const WITH_OPAQUE = { ...STRATEGIES, opaque: OpaqueStrategy };
