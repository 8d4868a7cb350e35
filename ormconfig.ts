import { STRATEGIES } from './src/auth/strategies/index.js';
import { loadConfig } from './src/config/load-config.js';
import { createCommandDataSource } from './src/database/command-data-source.js';
import { ENTITIES } from './src/entities.js';

// What TypeORM's command line works on (`npm run migration:...`), configured like the application. It is compiled with
// the build, so that it runs where there is no TypeScript. Without DATABASE_URL the embedded PostgreSQL runs for the
// time of the command.
const config = loadConfig({
  environment: process.env,
  directory: process.cwd(),
  strategyNames: Object.keys(STRATEGIES),
});
const comparing = process.argv.includes('migration:generate');

export default await createCommandDataSource(config, ENTITIES, comparing);
