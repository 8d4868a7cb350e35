// A process that runs the embedded PostgreSQL in the directory of its first parameter until it is ended.
import { EmbeddedPostgres } from '../../src/database/embedded-postgres.js';

try {
  const server = await EmbeddedPostgres.start({
    directory: process.argv[2] ?? '',
    log: (line) => console.log(line),
  });
  console.log(`ready ${server.pid}`);
  process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
  setInterval(() => {}, 60_000);
} catch (error) {
  console.log(error instanceof Error ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
}
