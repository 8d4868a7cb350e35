import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PrincipalCache } from '../../src/auth/principal-cache.js';
import { EmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import type { Database } from '../../src/database/database.js';
import { FeedReader } from '../../src/feed/feed-reader.js';
import { SessionFeed } from '../../src/feed/session-feed.js';
import { freePort } from '../support/free-port.mjs';
import { eventually, signalTree } from '../support/processes.js';
import { openSession } from '../support/quick-sessions.js';
import { TestApp } from '../support/test-app.js';

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
  });
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
      const pid = server.pid ?? 0;
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
    server: 'boot 1',
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

  test('so does another server, or the same one after a restart', async () => {
    const reader = readerOf(reading({}), reading({ horizon: '101', server: 'boot 2' }));
    await reader.read();
    expect((await reader.read()).discontinuity).toContain('another server');
  });

  test('a replica proves nothing', async () => {
    const reader = readerOf(reading({ recovering: true }));
    expect((await reader.read()).trustworthy).toBe(false);
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
