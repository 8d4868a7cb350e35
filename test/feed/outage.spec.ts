import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { PrincipalCache } from '../../src/auth/principal-cache.js';
import { EmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { Database } from '../../src/database/database.js';
import { FeedReader } from '../../src/feed/feed-reader.js';
import { SessionFeed } from '../../src/feed/session-feed.js';
import { freePort } from '../support/free-port.mjs';
import { eventually, pidOf, signalTree } from '../support/processes.js';
import { openSession } from '../support/quick-sessions.js';
import { TestApp } from '../support/test-app.js';
import { type TestDatabase, createTestDatabase, testServerAddress } from '../support/test-database.js';
import { databaseOf, onServer } from '../support/test-server.js';

describe('a database that cannot answer', () => {
  let folder: string;
  let server: EmbeddedPostgres;
  let app: TestApp;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lk-feed-'));
    server = await EmbeddedPostgres.start({
      directory: join(folder, 'postgres'),
      log: () => undefined,
      settings: { fsync: 'off' },
    });
    app = await TestApp.start({
      mode: 'session,jwt',
      database: { url: server.url(), drop: () => Promise.resolve() },
    });
  }, 60_000); // making a data directory waits for the disk
  afterAll(async () => {
    await app.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(['session', 'jwt'] as const)(
    'frozen: a remembered %s credential answers for 800 ms at most, then 503 and never 401, and works again after',
    async (strategy) => {
      const userId: string = (await app.client().signup()).body.user.id;
      const { headers } = await openSession(app, userId, strategy);
      const me = () => fetch(`${app.url}/auth/me`, { headers });
      await eventually(async () => {
        const { hits } = app.get(PrincipalCache).statistics;
        return (await me()).status === 200 && app.get(PrincipalCache).statistics.hits > hits;
      });
      const pid = pidOf(server);
      const frozenAt = performance.now();
      signalTree(pid, 'SIGSTOP');
      try {
        for (let status = 200; status === 200;) {
          const asked = performance.now();
          const answer = await me();
          status = answer.status;
          if (status === 200) expect(asked - frozenAt).toBeLessThan(1000);
          else {
            expect(status).toBe(503);
            expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
            expect(answer.headers.getSetCookie()).toEqual([]);
          }
        }
        expect(app.get(PrincipalCache).statistics.bypassed).toBe(true);
        expect(app.get(SessionFeed).lagMilliseconds).toBeGreaterThan(800);
      } finally {
        signalTree(pid, 'SIGCONT');
      }
      await eventually(async () => (await me()).status === 200, 5000);
      await eventually(() => !app.get(PrincipalCache).statistics.bypassed, 5000);
    },
  );
});

describe('what a reading of the log proves', () => {
  const reading = (fields: object) => ({
    horizon: '100',
    recovering: false,
    log: 'boot 1/database 1/table 1',
    at: 0,
    changes: [],
    ...fields,
  });

  /** A reader whose database gives these readings, one after the other. */
  function readerOf(...readings: object[]): FeedReader {
    const answers = [{ horizon: '100' }, ...readings];
    const connection = {
      once: () => undefined,
      connect: () => Promise.resolve(),
      query: () => Promise.resolve({ rows: [answers.shift()] }),
      discard: () => undefined,
    };
    return new FeedReader({ newConnection: () => connection } as unknown as Database, 700);
  }

  test('a change is news once, although its transaction stays within the horizon', async () => {
    const changes = [{ id: 7, sessionId: 'a', userId: null }];
    const reader = readerOf(reading({}), reading({ changes }), reading({ changes }));
    await reader.read();
    expect((await reader.read()).changes).toEqual(changes);
    expect((await reader.read()).changes).toEqual([]);
  });

  test('a database older than the last reading (a restore) makes everything doubtful', async () => {
    const reader = readerOf(reading({}), reading({ horizon: '99' }));
    await reader.read();
    expect((await reader.read()).discontinuity).toContain('restored');
  });

  test.each([
    ['another server, or the same one after a restart', 'boot 2/database 1/table 1'],
    ['another database of that name', 'boot 1/database 2/table 1'],
    ['a table that was made anew', 'boot 1/database 1/table 2'],
  ])('so does %s', async (_, log) => {
    const reader = readerOf(reading({}), reading({ horizon: '101', log }));
    await reader.read();
    expect((await reader.read()).discontinuity).toContain('another server or database');
  });

  test('so does half a minute without a reading, since changes are deleted after a while', async () => {
    const reader = readerOf(reading({}), reading({ at: 30_000 }), reading({ at: 60_001 }));
    await reader.read();
    expect((await reader.read()).discontinuity).toBeNull();
    expect((await reader.read()).discontinuity).toContain('not been read for too long');
  });

  test('a replica proves nothing', async () => {
    const reader = readerOf(reading({ recovering: true }));
    expect((await reader.read()).trustworthy).toBe(false);
  });
});

describe('the log of changes in a real database', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode: 'session' });
  });
  afterAll(async () => {
    await app.close();
  });

  /** As a transaction that began long ago writes it. */
  const writeOldChange = async (sessionId: string, at = 'now()'): Promise<void> => {
    await app.rows(`INSERT INTO principal_changes (session_id, at) VALUES ($1, ${at})`, [sessionId]);
  };
  const isThere = async (sessionId: string): Promise<boolean> =>
    (await app.rows('SELECT 1 FROM principal_changes WHERE session_id = $1', [sessionId])).length > 0;

  test('a change of a long transaction is not deleted before everybody had the time to read it', async () => {
    const [pruning, other] = [0, 1].map(() => new FeedReader(app.get(Database), 700)) as [
      FeedReader,
      FeedReader,
    ];
    const [old, recent] = [randomUUID(), randomUUID()];
    try {
      await pruning.read();
      await other.read();
      await pruning.prune();
      await writeOldChange(old, `now() - interval '6 minutes'`);
      await writeOldChange(recent);
      await pruning.read();
      await pruning.prune();
      expect((await other.read()).changes.map(({ sessionId }) => sessionId)).toEqual([old, recent]);
      // Transactions of other tests, in other databases of the server, hold it up for as long as they last.
      await eventually(async () => {
        await pruning.read();
        await pruning.prune();
        return !(await isThere(old));
      });
      expect(await isThere(recent)).toBe(true);
    } finally {
      await pruning.close();
      await other.close();
    }
  });
});

describe('after a restore from a backup', () => {
  let database: TestDatabase;
  let name: string;
  let app: TestApp | undefined;
  const start = async (): Promise<TestApp> => {
    app = await TestApp.start({ mode: 'session,jwt', database });
    return app;
  };
  const onTheServer = async (...statements: string[]): Promise<void> => {
    await onServer(testServerAddress().url, async (client) => {
      for (const statement of statements) await client.query(statement);
    });
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    name = databaseOf(database.url);
  });
  afterEach(async () => {
    await app?.close();
  });
  afterAll(async () => {
    await database.drop();
    await onTheServer(`DROP DATABASE IF EXISTS ${name}_backup`);
  });

  /** Opens a session that the backup does not have, remembered by the node, and what asks for it. */
  async function sessionSinceThen(node: TestApp, userId: string): Promise<() => Promise<number>> {
    const { headers } = await openSession(node, userId, 'session');
    const me = async (): Promise<number> => (await fetch(`${node.url}/auth/me`, { headers })).status;
    await eventually(async () => {
      const { hits } = node.get(PrincipalCache).statistics;
      expect(await me()).toBe(200);
      return node.get(PrincipalCache).statistics.hits > hits;
    });
    return me;
  }

  /** Fails when a session that is not in the database is let in a second after that. */
  async function refusedWithin1Second(me: () => Promise<number>): Promise<void> {
    const restoredAt = performance.now();
    for (let status = 0; status !== 401;) {
      const asked = performance.now();
      status = await me();
      expect([200, 401, 503]).toContain(status);
      if (status === 200) expect(asked - restoredAt).toBeLessThan(1000);
      expect(asked - restoredAt).toBeLessThan(10_000);
    }
  }

  test('the database was dropped and made from a copy, on a server that went on running', async () => {
    const before = await start();
    const userId: string = (await before.client().signup()).body.user.id;
    await before.close();
    await onTheServer(`CREATE DATABASE ${name}_backup TEMPLATE ${name}`);
    const me = await sessionSinceThen(await start(), userId);
    await onTheServer(
      `DROP DATABASE ${name} WITH (FORCE)`,
      `CREATE DATABASE ${name} TEMPLATE ${name}_backup`,
    );
    await refusedWithin1Second(me);
  });

  test('the tables were made anew in the running database, without its triggers (pg_restore --clean)', async () => {
    const node = await start();
    const me = await sessionSinceThen(node, (await node.client().signup()).body.user.id);
    const client = await node.sql.connect();
    try {
      await client.query(`
        BEGIN;
        SET LOCAL session_replication_role = replica;
        DELETE FROM sessions;
        ALTER TABLE principal_changes RENAME TO principal_changes_before;
        CREATE TABLE principal_changes (LIKE principal_changes_before INCLUDING ALL);
        DROP TABLE principal_changes_before;
        COMMIT`);
    } finally {
      client.release();
    }
    await refusedWithin1Second(me);
  });
});

const pooler = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find(
  (path) => spawnSync(path, ['--version']).status === 0,
);

/** Debian's PgBouncer in transaction mode: LISTEN and session state are lost on the way, statements are not. Needs it installed. */
(pooler ? describe : describe.skip)('through a transaction pooler', () => {
  let folder: string;
  let direct: TestApp;
  let nodes: TestApp[];
  let bouncer: ReturnType<typeof spawn>;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lk-pool-'));
    chmodSync(folder, 0o755);
    direct = await TestApp.start({ mode: 'session' });
    const target = new URL(direct.database.url.replace(/@\//, '@placeholder/'));
    const host = target.searchParams.get('host') ?? target.hostname;
    const port = await freePort();
    const file = join(folder, 'pgbouncer.ini');
    writeFileSync(join(folder, 'users.txt'), `"${target.username}" "${target.password}"\n`);
    writeFileSync(
      file,
      `[databases]
* = host=${host}${target.port ? ` port=${target.port}` : ''} user=${target.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
auth_type = any
auth_file = ${join(folder, 'users.txt')}
pool_mode = transaction
default_pool_size = 5
unix_socket_dir =
`,
    );
    // PgBouncer refuses to run as root; the socket of the test server must be within reach of whom it runs as.
    const asUser =
      process.getuid?.() === 0
        ? ['unshare', '--user', '--map-user=1000', '--map-group=1000', pooler ?? '']
        : [pooler ?? ''];
    bouncer = spawn(asUser[0] ?? '', [...asUser.slice(1), file], { stdio: 'ignore' });
    const url = `postgres://${target.username}@127.0.0.1:${port}${target.pathname}`;
    const shared = {
      mode: 'session',
      database: direct.database,
      env: { DATABASE_URL: url, DATABASE_DIRECT_URL: direct.database.url, THROTTLE: 'on' },
    };
    nodes = [await TestApp.start(shared), await TestApp.start(shared)];
  });
  afterAll(async () => {
    for (const node of nodes ?? []) await node.close();
    bouncer.kill();
    await direct.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('the story holds, the cache answers, and an ending is seen on the other node within a second', async () => {
    const [one, two] = nodes as [TestApp, TestApp];
    const client = one.client();
    expect((await client.signup()).status).toBe(201);
    const elsewhere = client.copy(two.url);
    await eventually(async () => {
      const { hits } = two.get(PrincipalCache).statistics;
      return (await elsewhere.me()).status === 200 && two.get(PrincipalCache).statistics.hits > hits;
    });
    expect((await client.logout()).status).toBe(204);
    await eventually(async () => (await elsewhere.me()).status === 401, 1000);
  });
});
