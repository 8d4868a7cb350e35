import { STRATEGIES } from '../../src/auth/strategies/index.js';
import { OpaqueStrategy } from '../examples/opaque.strategy.js';
import { describeAuthStrategy } from './auth-strategy.conformance.js';

for (const name of Object.keys(STRATEGIES)) describeAuthStrategy({ name });

/** The strategy that docs/adding-a-strategy.md adds: neither a table nor a line outside of its file is needed for it. */
describeAuthStrategy({ name: 'opaque', strategies: { ...STRATEGIES, opaque: OpaqueStrategy } });
