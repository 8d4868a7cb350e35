import { register } from 'node:module';

/**
 * One PostgreSQL for the whole run, with a migrated template that every test file clones: the embedded one, or, where
 * TEST_DATABASE_URL names a server, that one (its role must be allowed to create databases).
 */
export default async function setUp() {
  register('@swc-node/register/esm', import.meta.url);
  const { TestServer } = await import('./test-server.ts');
  const server = await TestServer.start(process.env.TEST_DATABASE_URL);
  // The workers inherit it; the teardown, in this process, finds the rest.
  process.env.LATCHKEY_TEST_SERVER = JSON.stringify(server.address);
  globalThis.latchkeyTestServer = server;
}
