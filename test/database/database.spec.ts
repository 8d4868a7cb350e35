import { setTimeout as delay } from 'node:timers/promises';
import { isUniqueViolation } from '../../src/database/database-errors.js';
import type { Database, Transaction } from '../../src/database/database.js';
import { openDatabase } from '../../src/database/open-database.js';
import { ENTITIES } from '../../src/entities.js';
import { User } from '../../src/users/user.entity.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const POOL_SIZE = 3;

let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = await open();
  await database.query('CREATE TABLE numbers (id int PRIMARY KEY, n bigint NOT NULL DEFAULT 0)');
});

beforeEach(async () => {
  await database.query('TRUNCATE numbers');
  await database.query('INSERT INTO numbers VALUES (1), (2)');
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

function open(directUrl: string | null = null): Promise<Database> {
  const settings = { url: testDatabase.url, directUrl, poolSize: POOL_SIZE, migrate: true };
  return openDatabase({ database: settings, dataDir: '/nowhere' }, { entities: ENTITIES, log: () => {} });
}

const unavailable = expect.objectContaining({ code: 'unavailable', retryAfterSeconds: expect.any(Number) });

/** How long it takes until `work` is refused with a 503. */
async function refusedAfter(work: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await expect(work).rejects.toEqual(unavailable);
  return performance.now() - start;
}

describe('query', () => {
  test('gives the rows of every kind of statement', async () => {
    expect(await database.query('SELECT 1 AS one WHERE false')).toEqual([]);
    expect(await database.query('INSERT INTO numbers VALUES (3) RETURNING id')).toEqual([{ id: 3 }]);
    expect(await database.query('UPDATE numbers SET n = 7 WHERE id = $1 RETURNING id, n', [3])).toEqual([
      { id: 3, n: 7 },
    ]);
    expect(await database.query('UPDATE numbers SET n = 7 WHERE id = 99')).toEqual([]);
    expect(await database.query('DELETE FROM numbers WHERE id = 3 RETURNING id')).toEqual([{ id: 3 }]);
    expect(await database.query('DELETE FROM numbers WHERE id = 3')).toEqual([]);
  });

  test('gives times that JavaScript can hold, and counts as numbers', async () => {
    const [row] = await database.query<{ at: Date; count: number }>(
      'SELECT now()::timestamptz(3) AS at, count(*) AS count FROM numbers',
    );
    expect(row?.count).toBe(2);
    const [same] = await database.query('SELECT $1::timestamptz = $2::timestamptz(3) AS equal', [
      row?.at,
      row?.at.toISOString(),
    ]);
    expect(same).toEqual({ equal: true });
  });

  test('a mistake of ours stays what it is, without the parameters', async () => {
    const error: unknown = await database.query('SELEC $1', ['secret']).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: '42601' });
    expect(JSON.stringify(error) + String(error)).not.toContain('secret');
    // A wrong number of parameters is class 08 too, but no outage.
    await expect(database.query('SELECT 1', [1])).rejects.toMatchObject({ code: '08P01' });
  });

  test('waits about a second for a connection, then refuses; a free one serves at once', async () => {
    const busy = Array.from({ length: POOL_SIZE }, () => database.query('SELECT pg_sleep(1.6)'));
    await delay(50);
    const waited = await refusedAfter(database.query('SELECT 1'));
    expect(waited).toBeGreaterThan(900);
    expect(waited).toBeLessThan(1_800);
    await Promise.all(busy);
    expect(await database.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('a statement that takes too long is refused, and its connection lives on', async () => {
    const alone = await open();
    const backend = 'SELECT pg_backend_pid() AS pid';
    const before = await alone.query(backend);
    expect(await refusedAfter(alone.query('SELECT pg_sleep(10)'))).toBeLessThan(2_800);
    expect(await alone.query(backend)).toEqual(before);
    await alone.close();
  });

  test('behind a transaction pooler no startup parameters are sent, and the limit on this side holds alone', async () => {
    const pooled = await open(testDatabase.url);
    expect(await database.query('SHOW statement_timeout')).toEqual([{ statement_timeout: '1900ms' }]);
    expect(await pooled.query('SHOW statement_timeout')).toEqual([{ statement_timeout: '0' }]);
    expect(await refusedAfter(pooled.query('SELECT pg_sleep(10)'))).toBeLessThan(2_800);
    expect(await pooled.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await pooled.close();
  });
});

describe('transaction', () => {
  test('commits, for SQL and for repositories alike', async () => {
    const id = '0190a5b0-0000-7000-8000-000000000001';
    const result = await database.transaction(async (tx) => {
      await tx.query('UPDATE numbers SET n = n + 1 WHERE id = 1');
      await tx.manager.insert(User, { id: id as User['id'], email: 'a@example.com', passwordHash: 'x' });
      return tx.query('SELECT n FROM numbers WHERE id = 1');
    });
    expect(result).toEqual([{ n: 1 }]);
    const [user] = await database.dataSource.getRepository(User).findBy({ email: 'a@example.com' });
    expect(user).toMatchObject({
      id,
      roles: ['user'],
      name: null,
      disabledAt: null,
      createdAt: expect.any(Date),
    });
  });

  test('rolls back when the work throws, and lets the error through', async () => {
    const failure = database.transaction(async (tx) => {
      await tx.query('UPDATE numbers SET n = 99');
      throw new RangeError('no');
    });
    await expect(failure).rejects.toThrow(RangeError);
    expect(await database.query('SELECT n FROM numbers')).toEqual([{ n: 0 }, { n: 0 }]);
  });

  test('never reports a success when a statement failed and its error was swallowed', async () => {
    // Many times, because pg tells of the error before it knows the state of the transaction.
    for (let round = 0; round < 100; round++) {
      const swallowing = database.transaction(async (tx) => {
        await tx.query('UPDATE numbers SET n = 99');
        await tx.query('INSERT INTO numbers VALUES (1)').catch(() => {});
        return 'done';
      });
      await expect(swallowing).rejects.toThrow('a statement of this transaction had failed');
    }
    expect(await database.query('SELECT n FROM numbers')).toEqual([{ n: 0 }, { n: 0 }]);
  });

  test('may recover from a failed statement by a savepoint', async () => {
    await database.transaction(async (tx) => {
      await tx.query('UPDATE numbers SET n = 5 WHERE id = 1');
      await tx.manager
        .transaction((nested) => nested.query('INSERT INTO numbers VALUES (1)'))
        .catch(() => {});
    });
    expect(await database.query('SELECT n FROM numbers WHERE id = 1')).toEqual([{ n: 5 }]);
  });

  test('begins with a statement whose rows the work gets', async () => {
    const opening = {
      sql: 'SELECT id FROM numbers WHERE id = ANY($1) ORDER BY id FOR UPDATE',
      parameters: [[1, 2]],
    };
    const work = async (tx: Transaction, opened: Promise<{ id: number }[]>): Promise<number[]> => {
      const locked = await opened;
      const impatient = 'SELECT id FROM numbers WHERE id = 1 FOR UPDATE NOWAIT';
      await expect(database.query(impatient)).rejects.toEqual(unavailable);
      await tx.query('UPDATE numbers SET n = 4 WHERE id = 1');
      return locked.map(({ id }) => id);
    };
    expect(await database.transaction(work, opening)).toEqual([1, 2]);
    expect(await database.query('SELECT n FROM numbers WHERE id = 1')).toEqual([{ n: 4 }]);
  });

  test('whose first statement fails changes nothing, whether or not the work waits for it', async () => {
    const opening = { sql: 'SELECT 1 / $1::int', parameters: [0] };
    const insert = { sql: 'INSERT INTO numbers VALUES (3)', parameters: [] };
    const skipped = 'division by zero';
    // What comes later fails by the state of the transaction.
    const later = 'current transaction is aborted';
    const works: [(tx: Transaction, opened: Promise<unknown[]>) => Promise<unknown>, string][] = [
      [async () => 'nothing', skipped],
      [(_, opened) => opened, skipped],
      [(tx) => tx.query(insert.sql), skipped],
      [(tx) => tx.write(insert), skipped],
      [(tx) => tx.manager.query(insert.sql), later],
      [(tx) => delay(20).then(() => tx.query(insert.sql)), later],
    ];
    for (const [work, reason] of works) {
      await expect(database.transaction(work, opening)).rejects.toThrow(reason);
    }
    expect(await database.query('SELECT id FROM numbers')).toHaveLength(2);
  });

  describe('write', () => {
    const insert = (id: number) => ({ sql: 'INSERT INTO numbers VALUES ($1)', parameters: [id] });

    test('is seen by what follows, whoever sends that, and committed', async () => {
      const ids = 'SELECT id FROM numbers ORDER BY id';
      await database.transaction(async (tx) => {
        await tx.write(insert(3));
        expect(await tx.query(ids)).toHaveLength(3);
        await tx.write(insert(4));
        await tx.write(insert(5));
        expect(await tx.manager.query(ids)).toHaveLength(5);
        await tx.write(insert(6));
        await delay(20);
        await tx.write(insert(7));
      });
      expect(await database.query(ids)).toHaveLength(7);
    });

    test('that fails fails the transaction, by its own error, at whatever comes next', async () => {
      const worded = (error: unknown): Error => new RangeError('worded', { cause: error });
      const endings: ((tx: Transaction) => Promise<unknown>)[] = [
        async () => 'commit',
        (tx) => tx.query('SELECT 1'),
        (tx) => tx.write(insert(9)),
        (tx) => tx.manager.query('SELECT 1'),
        async (tx) => tx.query('SELECT 1').catch(() => 'swallowed'),
        () => Promise.reject(new Error('another reason')),
      ];
      for (const ending of endings) {
        const failing = database.transaction(async (tx) => {
          await tx.query('UPDATE numbers SET n = 99');
          await tx.write(insert(1), worded);
          return ending(tx);
        });
        const error: unknown = await failing.catch((reason: unknown) => reason);
        expect(error).toEqual(new RangeError('worded'));
        expect(isUniqueViolation((error as Error).cause, 'numbers_pkey')).toBe(true);
      }
      expect(await database.query('SELECT n FROM numbers')).toEqual([{ n: 0 }, { n: 0 }]);
    });

    test('that fails has what goes along with it skipped, which is prepared the next time on the same connection', async () => {
      const connections = async (): Promise<Set<number>> => {
        const asked = Array.from({ length: POOL_SIZE }, () =>
          database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid, pg_sleep(0.05)'),
        );
        return new Set((await Promise.all(asked)).flat().map(({ pid }) => pid));
      };
      const before = await connections();
      expect(before.size).toBe(POOL_SIZE);
      for (let i = 0; i < 2 * POOL_SIZE; i++) {
        // Prepared on no connection yet.
        const sum = `SELECT ${i} + $1::int AS sum`;
        const failing = database.transaction(async (tx) => {
          await tx.write(insert(1));
          return tx.query(sum, [1], { prepare: true });
        });
        await expect(failing).rejects.toThrow('duplicate key');
        const everywhere = Array.from({ length: POOL_SIZE }, () =>
          database.query(sum, [1], { prepare: true }),
        );
        for (const rows of await Promise.all(everywhere)) expect(rows).toEqual([{ sum: i + 1 }]);
      }
      expect(await connections()).toEqual(before);
    });

    test('of a value that cannot be sent fails, and its connection goes on', async () => {
      const circular: Record<string, unknown> = {};
      circular['itself'] = circular;
      const unsendable = { sql: 'SELECT $1::jsonb', parameters: [circular] };
      const attempts: ((tx: Transaction) => Promise<unknown>)[] = [
        (tx) => tx.query(unsendable.sql, unsendable.parameters),
        (tx) => tx.write(unsendable),
        (tx) => tx.write(unsendable).then(() => tx.query('SELECT 1')),
      ];
      for (const attempt of attempts) {
        const failing = database.transaction(async (tx) => {
          await tx.write(insert(3));
          return attempt(tx);
        });
        await expect(failing).rejects.toThrow('circular');
        const everywhere = Array.from({ length: POOL_SIZE }, () => database.query('SELECT id FROM numbers'));
        for (const rows of await Promise.all(everywhere)) expect(rows).toHaveLength(2);
      }
    });

    test('outside of a transaction is done when it resolves', async () => {
      await database.write(insert(3));
      expect(await database.query('SELECT id FROM numbers WHERE id = 3')).toHaveLength(1);
      await expect(database.write(insert(3), () => new RangeError('worded'))).rejects.toThrow(RangeError);
      await expect(database.write(insert(3))).rejects.toThrow('duplicate key');
    });

    test('runs again with its transaction after a deadlock', async () => {
      let runs = 0;
      const add = (id: number) => ({ sql: 'UPDATE numbers SET n = n + 1 WHERE id = $1', parameters: [id] });
      const crossing = (first: number, second: number): Promise<unknown> =>
        database.transaction(async (tx) => {
          runs++;
          await tx.write(add(first));
          await delay(100);
          await tx.write(add(second));
        });
      await Promise.all([crossing(1, 2), crossing(2, 1)]);
      expect(runs).toBeGreaterThan(2);
      expect(await database.query('SELECT n FROM numbers')).toEqual([{ n: 2 }, { n: 2 }]);
    });
  });

  test('that has ended takes no more statements of a repository', async () => {
    const manager = await database.transaction(async (tx) => tx.manager);
    await expect(manager.query('DELETE FROM numbers')).rejects.toThrow('released');
    expect(await database.query('SELECT id FROM numbers')).toHaveLength(2);
  });

  test('names the constraint that a value violates', async () => {
    const insert = 'INSERT INTO numbers VALUES (1)';
    for (const attempt of [
      () => database.query(insert),
      () => database.transaction((tx) => tx.query(insert)),
    ]) {
      const error: unknown = await attempt().catch((reason: unknown) => reason);
      expect(isUniqueViolation(error, 'numbers_pkey')).toBe(true);
      expect(isUniqueViolation(error, 'users_email_key')).toBe(false);
    }
  });

  test('of two that deadlock both succeed, because one runs again', async () => {
    let runs = 0;
    const crossing = (first: number, second: number): Promise<unknown> =>
      database.transaction(async (tx) => {
        runs++;
        await tx.query('UPDATE numbers SET n = n + 1 WHERE id = $1', [first]);
        await delay(100);
        await tx.query('UPDATE numbers SET n = n + 1 WHERE id = $1', [second]);
      });
    await Promise.all([crossing(1, 2), crossing(2, 1)]);
    expect(runs).toBeGreaterThan(2);
    expect(await database.query('SELECT n FROM numbers')).toEqual([{ n: 2 }, { n: 2 }]);
  });

  test('that never ceases to fail is given up after three retries', async () => {
    let runs = 0;
    const work = database.transaction(async (tx) => {
      runs++;
      await tx.query("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$");
    });
    await expect(work).rejects.toEqual(unavailable);
    expect(runs).toBe(4);
  });

  test('has one budget for all its statements, and the lock that it held is free at once', async () => {
    const slow = database.transaction(async (tx) => {
      await tx.query('UPDATE numbers SET n = 99 WHERE id = 1');
      for (;;) await tx.query('SELECT pg_sleep(0.4)');
    });
    expect(await refusedAfter(slow)).toBeLessThan(3_000);
    await database.query('UPDATE numbers SET n = 1 WHERE id = 1');
  });

  test('that waits too long for a lock is refused', async () => {
    const waits = await database.transaction(async (tx) => {
      await tx.query('UPDATE numbers SET n = 1 WHERE id = 1');
      return refusedAfter(database.query('UPDATE numbers SET n = 2 WHERE id = 1'));
    });
    expect(waits).toBeLessThan(2_500);
  });
});

describe('advisory locks', () => {
  test('keep the work of two processes apart', async () => {
    const other = await open();
    let inside = 0;
    const work = async (): Promise<void> => {
      expect(++inside).toBe(1);
      await delay(50);
      inside--;
    };
    await Promise.all([database, other, database, other].map((each) => each.withAdvisoryLock('test', work)));
    await other.close();
  });

  test('that are taken: the trying one goes on without; other names are free', async () => {
    await database.withAdvisoryLock('test', async (connection) => {
      expect(await connection.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
      expect(await database.tryAdvisoryLock('test', async () => 'ran')).toBeNull();
      expect(await database.tryAdvisoryLock('other', async () => 'ran')).toBe('ran');
    });
  });

  test('are given back when the work fails', async () => {
    await expect(
      database.withAdvisoryLock('test', () => Promise.reject(new RangeError('no'))),
    ).rejects.toThrow(RangeError);
    expect(await database.tryAdvisoryLock('test', async () => 'ran')).toBe('ran');
  });
});

describe('a prepared statement', () => {
  const select = 'SELECT * FROM shapes WHERE id = $1';
  const ask = [
    () => database.query(select, [1], { prepare: true }),
    () => database.transaction((tx) => tx.query(select, [1], { prepare: true })),
    () => database.transaction(async (_, opened) => opened, { sql: select, parameters: [1], prepare: true }),
  ];
  const onEveryConnection = () => Promise.all(Array.from({ length: 2 * POOL_SIZE }, async () => ask[0]?.()));

  beforeEach(async () => {
    await database.query('DROP TABLE IF EXISTS shapes');
    await database.query('CREATE TABLE shapes (id int PRIMARY KEY, n int NOT NULL DEFAULT 7)');
    await database.query('INSERT INTO shapes VALUES (1)');
    await onEveryConnection();
  });

  test.each(ask)('outlives a migration of what it reads (%#)', async (run) => {
    expect(await run()).toEqual([{ id: 1, n: 7 }]);
    await database.query(`ALTER TABLE shapes ALTER n TYPE text, ADD more text DEFAULT 'yes'`);
    for (let i = 0; i < 2 * POOL_SIZE; i++) expect(await run()).toEqual([{ id: 1, n: '7', more: 'yes' }]);
  });

  test.each(ask)('is prepared again when the server has forgotten it (%#)', async (run) => {
    await Promise.all(
      Array.from({ length: POOL_SIZE }, () =>
        database.transaction(async (tx) => {
          await tx.query('DEALLOCATE ALL');
          await tx.query('SELECT pg_sleep(0.1)');
        }),
      ),
    );
    for (let i = 0; i < 2 * POOL_SIZE; i++) expect(await run()).toEqual([{ id: 1, n: 7 }]);
  });
});
