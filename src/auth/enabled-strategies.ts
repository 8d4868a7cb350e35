import type { AuthStrategy, RefreshableStrategy } from './auth-strategy.js';
import { isRefreshable } from './auth-strategy.js';

/** The strategies of `AUTH_MODE`, in its order: all are accepted, the first issues. */
export class EnabledStrategies {
  readonly all: readonly AuthStrategy[];
  /** The first of `AUTH_MODE`: what a sign-in gets unless it asks for another. */
  readonly primary: AuthStrategy;
  readonly refreshable: readonly RefreshableStrategy[];

  constructor(strategies: readonly AuthStrategy[]) {
    const [primary] = strategies;
    if (!primary) throw new Error('AUTH_MODE enables no strategy');
    this.all = strategies;
    this.primary = primary;
    this.refreshable = strategies.filter(isRefreshable);
  }

  /** The names, the primary first. */
  get names(): readonly string[] {
    return this.all.map(({ name }) => name);
  }

  /** The enabled strategy of that name, or undefined. */
  find(name: string): AuthStrategy | undefined {
    return this.all.find((strategy) => strategy.name === name);
  }

  /** The challenges of `WWW-Authenticate` (RFC 9110 section 11.6.1), one for each strategy. */
  get challenges(): string {
    return this.all
      .map(({ name, ambient }) => `${ambient ? 'Session' : 'Bearer'} realm="latchkey", strategy="${name}"`)
      .join(', ');
  }
}
