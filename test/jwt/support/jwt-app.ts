import { AccessTokens } from '../../../src/auth/strategies/access-token.js';
import { RefreshTokens } from '../../../src/auth/strategies/refresh-tokens.js';
import { Database } from '../../../src/database/database.js';
import { KeyRing } from '../../../src/keys/key-ring.js';
import type { UserId } from '../../../src/principal/principal.js';
import { SessionsService } from '../../../src/sessions/sessions.service.js';
import { TestApp, type TestAppOptions } from '../../support/test-app.js';
import { testServerAddress } from '../../support/test-database.js';
import { databaseOf, onServer } from '../../support/test-server.js';
import { type Answer, TestClient } from '../../support/test-client.js';

/** Every mode in which tokens are a credential. */
export const JWT_MODES = ['jwt', 'session,jwt', 'jwt,session'] as const;

/** Rates have their own tests; here hundreds of refreshes come from one address. */
export const UNLIMITED = { THROTTLE: 'off', SESSION_MAX_PER_USER: '10000' };

/** An application without rate limits. */
export function startApp(options: TestAppOptions): Promise<TestApp> {
  return TestApp.start({ ...options, env: { ...UNLIMITED, ...options.env } });
}

/** A new user who signed up and holds tokens, and nothing else. */
export async function signedIn(
  app: TestApp,
  options?: { readonly origin?: string; readonly userAgent?: string },
): Promise<TestClient> {
  const client = app.client(options);
  if (app.config.auth.mode[0] !== 'jwt') {
    await app.client().signup({ email: client.email });
    expectStatus(await client.login({ strategy: 'jwt' }), 200);
  } else {
    expectStatus(await client.signup(), 201);
  }
  return client;
}

/** More devices of the same user, made without the cost of a password hash each. */
export async function devices(app: TestApp, owner: TestClient, count: number): Promise<TestClient[]> {
  const [user] = await app.rows<{ id: UserId }>('SELECT id FROM users WHERE email = $1', [owner.email]);
  if (!user) throw new Error('this client has no user');
  const made: TestClient[] = [];
  while (made.length < count) {
    // No more at a time than the pool has connections.
    const batch = Array.from({ length: Math.min(10, count - made.length) }, () =>
      device(app, owner, user.id),
    );
    made.push(...(await Promise.all(batch)));
  }
  return made;
}

async function device(app: TestApp, owner: TestClient, userId: UserId): Promise<TestClient> {
  const session = await app.get(Database).transaction((tx) =>
    app.get(SessionsService).start(tx, {
      userId,
      factors: ['password'],
      remember: false,
      replaces: [],
      address: '127.0.0.1',
      userAgent: 'latchkey-tests',
    }),
  );
  const client = owner.sibling({}, app.url);
  client.sessionId = session.id;
  client.refreshToken = await app.get(RefreshTokens).issue(session, 'jwt');
  client.accessToken = app.get(AccessTokens).issue(session).token;
  return client;
}

/** Lets time pass for a session's refresh token: as if its current value had been made so long ago. */
export async function age(app: TestApp, client: TestClient, interval = '31 seconds'): Promise<void> {
  await app.rows(
    `UPDATE credentials SET issued_at = issued_at - $2::interval, rotated_at = rotated_at - $2::interval
     WHERE session_id = $1 AND strategy = 'jwt'`,
    [client.sessionId, interval],
  );
}

/** The same for all sessions. */
export async function ageAll(app: TestApp, interval = '31 seconds'): Promise<void> {
  await app.rows(
    `UPDATE credentials SET issued_at = issued_at - $1::interval, rotated_at = rotated_at - $1::interval WHERE strategy = 'jwt'`,
    [interval],
  );
}

/** The node's keys. */
export function ringOf(app: TestApp): KeyRing {
  return app.get(KeyRing);
}

/** The database's time in seconds. */
export async function databaseNow(app: TestApp): Promise<number> {
  const [row] = await app.rows<{ now: number }>('SELECT extract(epoch FROM now())::float8 AS now');
  return row?.now ?? NaN;
}

/** What the application asks its database while `work` runs, but for what it does by itself all the time. */
export async function statementsDuring(app: TestApp, work: () => Promise<unknown>): Promise<string[]> {
  const background = /signing_keys|principal_changes|seen\.at|pg_snapshot/;
  const database = app.get(Database);
  const original = database.query.bind(database);
  const statements: string[] = [];
  database.query = (...args: Parameters<typeof original>) => {
    statements.push(args[0]);
    return original(...args);
  };
  try {
    await work();
  } finally {
    database.query = original;
  }
  return statements.filter((sql) => !background.test(sql));
}

/** A request that carries nothing but this. */
export function bare(app: TestApp, headers: Record<string, string>, path = '/auth/me'): Promise<Answer> {
  return new TestClient(app.url).get(path, { headers });
}

export function port(app: TestApp): number {
  return Number(new URL(app.url).port);
}

function expectStatus(answer: Answer, status: number): void {
  if (answer.status !== status) throw new Error(`expected ${status}, got ${answer.status}: ${answer.text}`);
}

/** Takes the database away, as an outage does: new connections are refused, the present ones are cut. */
export async function closeDatabase(app: TestApp): Promise<void> {
  const name = databaseOf(app.database.url);
  await onServer(testServerAddress().url, async (server) => {
    await server.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
  });
}

/** Gives it back. */
export async function openDatabaseAgain(app: TestApp): Promise<void> {
  await onServer(testServerAddress().url, (server) =>
    server.query(`ALTER DATABASE ${databaseOf(app.database.url)} ALLOW_CONNECTIONS true`),
  );
}
