import { writeFileSync } from 'node:fs';
import type { Type } from '@nestjs/common';
import type { AuthStrategy } from '../../src/auth/auth-strategy.js';
import { EnabledStrategies } from '../../src/auth/enabled-strategies.js';
import { STRATEGIES } from '../../src/auth/strategies/index.js';
import { TestApp } from '../support/test-app.js';
import { describeAuthStrategy } from './auth-strategy.conformance.js';

/** A file that cannot be tried at all. The message is for whoever wrote it. */
class UnusableFile extends Error {}

const MEMBERS = ['credentialIn', 'authenticate', 'issue', 'discard'] as const;

/** What makes a class one of ours is what its instances can do. */
function isStrategy(value: unknown): value is Type<AuthStrategy> {
  if (typeof value !== 'function') return false;
  const prototype: unknown = value.prototype;
  return typeof prototype === 'object' && prototype !== null && MEMBERS.every((name) => name in prototype);
}

async function strategyIn(path: string): Promise<Type<AuthStrategy>> {
  const exported = (await import(path)) as Record<string, unknown>;
  const classes = [...new Set(Object.values(exported))].filter(isStrategy);
  const [strategy] = classes;
  if (!strategy) {
    const names = Object.keys(exported).join(', ') || 'nothing';
    throw new UnusableFile(
      `it exports no strategy: a class with ${MEMBERS.join(', ')} (src/auth/auth-strategy.ts). It exports ${names}.`,
    );
  }
  if (classes.length > 1) {
    throw new UnusableFile(
      `it exports ${classes.length} strategies: ${classes.map(({ name }) => name).join(', ')}. One at a time.`,
    );
  }
  return strategy;
}

/** The name is an instance's, so one is made, as the service would make it. */
async function nameOf(strategy: Type<AuthStrategy>): Promise<string> {
  const app = await TestApp.start({ mode: 'candidate', strategies: { candidate: strategy } });
  const { name } = app.get(EnabledStrategies).primary;
  await app.close();
  if (typeof name !== 'string' || !/^[a-z][a-z0-9_-]{0,31}$/.test(name)) {
    throw new UnusableFile(
      `its name, ${JSON.stringify(name)}, is none that AUTH_MODE could hold: lower-case letters, digits, - and _`,
    );
  }
  if (Object.hasOwn(STRATEGIES, name))
    throw new UnusableFile(`its name, "${name}", is taken by a strategy of Latchkey`);
  return name;
}

const { LATCHKEY_STRATEGY_FILE: path = '', LATCHKEY_STRATEGY_REPORT: report = '' } = process.env;
let loaded: { readonly name: string; readonly strategy: Type<AuthStrategy> };
try {
  const strategy = await strategyIn(path);
  loaded = { name: await nameOf(strategy), strategy };
} catch (error) {
  const { message = String(error) } = error as Partial<Error>;
  writeFileSync(report, JSON.stringify({ unusable: message }));
  throw error;
}
const { name, strategy } = loaded;
writeFileSync(report, JSON.stringify({ name }));
describeAuthStrategy({ name, strategies: { ...STRATEGIES, [name]: strategy } });
