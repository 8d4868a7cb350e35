import { describe, expect, test } from '@jest/globals';
import type { StrategyClasses } from '../../src/auth/auth.module.js';
import { TestApp } from '../support/test-app.js';
import { testServerAddress } from '../support/test-database.js';
import { databaseOf, onServer } from '../support/test-server.js';
import { passing } from './observations.js';

interface Options {
  readonly mode: string;
  readonly strategies: StrategyClasses;
  readonly env: Readonly<Record<string, string>>;
}

/** Contract 5, rule 4: when nobody can tell whether a credential is good, the answer is 503, never access and never 401. */
export function describeOutage({ mode, strategies, env }: Options): void {
  describe('while the database is away', () => {
    test('FT04 503 with Retry-After, no cookie, public routes answer; afterwards the same credential works', async () => {
      const app = await TestApp.start({ mode, strategies, env });
      const [client, unused] = [app.client(), app.client()];
      await client.signup();
      await unused.signup();
      const statuses = new Set<number>();
      try {
        await closeDoors(app.database.url);
        await passing(async () => {
          const { status } = await client.me();
          statuses.add(status);
          return status === 503;
        });
        for (const answer of [
          await client.me(),
          await unused.me(),
          await client.send('PATCH', '/auth/me', { body: { name: 'x' } }),
          await client.copy().login(),
          await client.sibling().signup({ email: 'late@example.com' }),
          await client.logout(),
        ]) {
          expect([answer.status, answer.body.code, answer.setCookies]).toEqual([503, 'unavailable', []]);
          expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        }
        for (const path of ['/auth/config', '/health/live', '/.well-known/jwks.json']) {
          expect((await client.get(path)).status).toBe(200);
        }
        expect((await client.get('/health/ready')).status).toBe(503);
      } finally {
        await openDoors(app.database.url);
      }
      // A remembered answer may still have been given for as long as it was proven true.
      expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([]);
      await passing(async () => (await client.me()).status === 200);
      expect((await unused.me()).status).toBe(200);
      expect((await client.sibling().login()).status).toBe(200);
      await app.close();
    });
  });
}

async function closeDoors(url: string): Promise<void> {
  const name = databaseOf(url);
  await onServer(testServerAddress().url, async (server) => {
    await server.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
  });
}

async function openDoors(url: string): Promise<void> {
  await onServer(testServerAddress().url, (server) =>
    server.query(`ALTER DATABASE ${databaseOf(url)} ALLOW_CONNECTIONS true`),
  );
}
