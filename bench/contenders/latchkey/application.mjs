import { tmpdir } from 'node:os';
import { STRATEGIES } from '../../../dist/src/auth/strategies/index.js';
import { loadConfig } from '../../../dist/src/config/load-config.js';
import { createApp } from '../../../dist/src/configure-app.js';
import { environment } from './environment.mjs';

/** The settings of a production start, as main.js would read them. */
export function configuration(variables) {
  return loadConfig({
    environment: environment(variables),
    // Where there is no .env.
    directory: tmpdir(),
    strategyNames: Object.keys(STRATEGIES),
  });
}

/** The whole application, as main.js makes it. */
export function application(variables, parts = {}) {
  return createApp(configuration(variables), parts);
}
