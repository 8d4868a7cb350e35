import { jest } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../../src/database/database.js';
import { EmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { openDatabase } from '../../src/database/open-database.js';
import { StartError } from '../../src/database/start-error.js';
import { ENTITIES } from '../../src/entities.js';
import { eventually, isRunning, pidOf, signalTree } from '../support/processes.js';

// Making a data directory waits for the disk, which other test files keep busy.
jest.setTimeout(60_000);

// What happens to the database here would hit other test files: this one has a server of its own.
let folder: string;
let server: EmbeddedPostgres;
let database: Database;
const logged: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lk-test-'));
  server = await EmbeddedPostgres.start({
    directory: join(folder, 'postgres'),
    log: (line) => logged.push(line),
    settings: { fsync: 'off', max_connections: '20' },
  });
});

beforeEach(async () => {
  database = await open();
});

afterEach(async () => {
  await database.close();
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

function open(poolSize = 4, url = server.url(), waitSeconds = 10): Promise<Database> {
  const settings = { url, directUrl: null, poolSize, migrate: true };
  const log = (line: string): void => void logged.push(line);
  return openDatabase({ database: settings, dataDir: folder }, { entities: ENTITIES, log, waitSeconds });
}

const unavailable = expect.objectContaining({ code: 'unavailable', status: 503 });

function number(n: number): Promise<unknown[]> {
  return database.query('SELECT $1::int AS n', [n]);
}

async function recovers(): Promise<void> {
  await eventually(async () => {
    const rows = await number(1).catch(() => null);
    return rows !== null;
  }, 10_000);
}

describe('a frozen server', () => {
  afterEach(() => signalTree(pidOf(server), 'SIGCONT'));

  test('every unit of work is refused within 3 s, and nobody ever gets the answer to another question', async () => {
    await Promise.all([number(1), number(2), number(3), number(4)]); // all four connections are open
    const inTransaction = database.transaction(async (tx) => {
      await tx.query('SELECT 1');
      await delay(200);
      return tx.query('SELECT 42 AS n');
    });
    await delay(100);
    signalTree(pidOf(server), 'SIGSTOP');
    const start = performance.now();
    const refusals = [inTransaction, ...Array.from({ length: 20 }, (_, i) => number(1_000 + i))].map(
      async (work) => {
        await expect(work).rejects.toEqual(unavailable);
        return performance.now() - start;
      },
    );
    for (const took of await Promise.all(refusals)) expect(took).toBeLessThan(3_000);
    // Still frozen, now without any connection: opening one is limited too.
    const again = performance.now();
    await expect(number(5)).rejects.toEqual(unavailable);
    expect(performance.now() - again).toBeLessThan(1_800);

    signalTree(pidOf(server), 'SIGCONT');
    await recovers();
    for (let round = 0; round < 50; round++) {
      const asked = Array.from({ length: 8 }, (_, i) => round * 8 + i);
      expect(await Promise.all(asked.map(number))).toEqual(asked.map((n) => [{ n }]));
    }
    // Nothing leaked: four can still work at once.
    await Promise.all(Array.from({ length: 4 }, () => database.query('SELECT pg_sleep(0.2)')));
  });

  test('does not keep the database from closing, with work in flight', async () => {
    await number(1);
    signalTree(pidOf(server), 'SIGSTOP');
    const inFlight = expect(number(2)).rejects.toEqual(unavailable);
    const start = performance.now();
    await database.close();
    await inFlight;
    expect(performance.now() - start).toBeLessThan(3_000);
  });

  test('at start: one clear line after the time that is given', async () => {
    signalTree(pidOf(server), 'SIGSTOP');
    await expect(open(1, server.url(), 3)).rejects.toThrow(
      /^the database does not take our connection: .*\(see DATABASE_URL\)$/,
    );
    expect(logged.at(-1)).toMatch(/does not take our connection yet: .*; trying for another \d+ s$/);
  });
});

describe('lost connections', () => {
  test('all of them, again and again: queries work or are refused, and the process lives', async () => {
    const terminate =
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()';
    const other = await open();
    const outcomes = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const work = Promise.allSettled(
        Array.from({ length: 8 }, (_, i) =>
          i % 2 === 0
            ? database.query('SELECT pg_sleep(0.02)')
            : database.transaction((tx) => tx.query('SELECT pg_sleep(0.02)')),
        ),
      );
      await other.query(terminate);
      for (const result of await work) {
        outcomes.add(result.status === 'fulfilled' ? 'ok' : result.reason.code);
      }
      await recovers(); // one that was ended while it was idle is lent once more before that is heard of
    }
    expect([...outcomes].sort()).toEqual(['ok', 'unavailable']);
    await other.close();
  });

  test('kill -9 of the server: refused at once while it is down, then served again without a new start', async () => {
    const killed = pidOf(server);
    const working = database.query('SELECT pg_sleep(1)');
    await delay(50);
    process.kill(killed, 'SIGKILL');
    const start = performance.now();
    // Both at once: a quick machine has started the server again before the first of them is heard of.
    await Promise.all([
      expect(working).rejects.toEqual(unavailable),
      expect(number(1)).rejects.toEqual(unavailable),
    ]);
    expect(performance.now() - start).toBeLessThan(1_000);
    await recovers();
    // It answers some milliseconds before its start counts as complete.
    await eventually(() => logged.includes('the embedded PostgreSQL is back'));
    expect(server.pid).not.toBe(killed);
    expect(isRunning(pidOf(server))).toBe(true);
    expect(logged).toContain('the embedded PostgreSQL ended by itself (SIGKILL); starting it again');
  });
});

describe('a server that is there', () => {
  test('but read-only: reading works, writing is refused, and the next connection may find the new primary', async () => {
    await database.query('CREATE TABLE IF NOT EXISTS notes (n int)');
    await database.query('ALTER DATABASE latchkey SET default_transaction_read_only = on');
    const replica = await open();
    expect(await replica.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    for (const write of [
      () => replica.query('INSERT INTO notes VALUES (1)'),
      () => replica.transaction((tx) => tx.query('INSERT INTO notes VALUES (1)')),
    ]) {
      await expect(write()).rejects.toMatchObject({ code: 'unavailable', retryAfterSeconds: 5 });
    }
    await database.query('ALTER DATABASE latchkey RESET default_transaction_read_only');
    await replica.query('INSERT INTO notes VALUES (1)'); // a connection that had been read-only would refuse
    await replica.close();
  });

  test('but has no connection left', async () => {
    const many = await open(40);
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, () => many.query('SELECT pg_sleep(0.5)')),
    );
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toEqual(unavailable);
    await many.close();
  });
});

describe('a start without a database', () => {
  test('that nobody listens for is tried again, and then ends in one line', async () => {
    const start = performance.now();
    const failure = open(1, 'postgres://u:geheim@127.0.0.1:1/db', 2);
    await expect(failure).rejects.toBeInstanceOf(StartError);
    await expect(failure).rejects.toThrow(
      'the database does not take our connection: connect ECONNREFUSED 127.0.0.1:1 (see DATABASE_URL)',
    );
    expect(performance.now() - start).toBeGreaterThan(1_900);
  });

  test('that comes late is waited for', async () => {
    await database.close();
    const late = new EmbeddedPostgresLater(folder);
    await (await late.start()).stop(); // it is the start that is late, not making its directory
    const opening = open(1, late.url, 20);
    await delay(700);
    const started = await late.start();
    await (await opening).close();
    await started.stop();
  });

  test.each([
    ['postgres://nobody@', /does not take our connection: role "nobody" does not exist/],
    ['/nothing?', /does not take our connection: database "nothing" does not exist/],
  ])('that refuses us is not tried for long: %s', async (change, message) => {
    const url = change.startsWith('/')
      ? server.url('nothing')
      : server.url().replace('postgres://latchkey@', change);
    await expect(open(1, url, 1)).rejects.toThrow(message);
  });
});

/** A server whose address is known before it starts. */
class EmbeddedPostgresLater {
  readonly directory: string;

  constructor(parent: string) {
    this.directory = join(parent, 'late');
  }

  get url(): string {
    return `postgres://latchkey@/latchkey?host=${encodeURIComponent(this.directory)}&port=5432&sslmode=disable`;
  }

  start(): Promise<EmbeddedPostgres> {
    return EmbeddedPostgres.start({ directory: this.directory, log: () => {} });
  }
}
