import { performance } from 'node:perf_hooks';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { eventually } from '../support/processes.js';
import { TestApp } from '../support/test-app.js';
import { cheapenPasswords } from './support/cheap-passwords.js';
import { Ledger } from './support/ledger.js';
import { OwnServer } from './support/own-server.js';
import { SmallDisk } from './support/small-disk.js';

jest.setTimeout(120_000);

const LANES = 4;
/** A data directory takes some 60 MiB; the rest is soon written. */
const DISK_MEBIBYTES = 192;

const disk = SmallDisk.mount(DISK_MEBIBYTES);

(disk ? describe : describe.skip)('the disk of the database is full (needs root, to mount one)', () => {
  let server: OwnServer;
  let app: TestApp;
  let sql: pg.Pool;

  beforeAll(async () => {
    server = await OwnServer.start({ max_wal_size: '48MB', min_wal_size: '32MB' }, disk?.path);
    app = await TestApp.start({ mode: 'session,jwt', database: server.database });
    cheapenPasswords(app);
    sql = new pg.Pool({ connectionString: server.database.url, max: 2 });
    sql.on('error', () => undefined);
  });
  afterAll(async () => {
    await sql?.end();
    await app?.close();
    await server?.stop();
    disk?.unmount();
  });

  test('what cannot be written is 503, what is there is read, and all goes on when there is room again', async () => {
    const ledger = new Ledger(() => app.url, LANES);
    try {
      await eventually(() => ledger.isServed());
      // Room in the log of transactions: what is full is the tables.
      await sql.query('SELECT pg_switch_wal()');
      await disk?.fill();
      await eventually(() => (ledger.statuses.get(503) ?? 0) >= 20, 60_000);
      expect(await ledger.refused(20)).toEqual([]);
      disk?.free();
      const freed = performance.now();
      ledger.startOver();
      await eventually(() => ledger.isServed(), 30_000);
      console.log(`disk full: served ${Math.round(performance.now() - freed)} ms after there was room again`);
    } finally {
      await ledger.stop();
    }
    console.log(`disk full: ${ledger.summary}`);
    expect(ledger.wrong).toEqual([]);
    expect([...ledger.statuses.keys()].filter((status) => ![200, 201, 503].includes(Number(status)))).toEqual(
      [],
    );
    expect(await ledger.lost(sql)).toEqual([]);
    expect(await ledger.refused()).toEqual([]);
  });
});
