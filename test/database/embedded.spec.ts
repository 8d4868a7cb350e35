import { jest } from '@jest/globals';
import { existsSync, openSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findBinaries } from '../../src/database/embedded-binaries.js';
import { findLauncher } from '../../src/database/embedded-launcher.js';
import {
  EmbeddedPostgres,
  findRunningEmbedded,
  type EmbeddedSettings,
} from '../../src/database/embedded-postgres.js';
import { StartError } from '../../src/database/start-error.js';
import { eventually, isRunning, pidOf, runProgram } from '../support/processes.js';
import { onServer } from '../support/test-server.js';

// Making a data directory waits for the disk, which other test files keep busy.
jest.setTimeout(90_000);

const IS_LINUX = process.platform === 'linux';
const IS_ROOT = process.geteuid?.() === 0;
/** A pid that no process has. */
const NOBODY_IS = 4_194_300;

/** Until a disk that other test files keep busy has taken a new directory, or all files of one after a crash. */
const DISK_LIMIT_MS = 60_000;

/** Of this file: `directory` is made once, and every test leaves its server stopped. */
let folder: string;
let directory: string;
const servers: EmbeddedPostgres[] = [];
const logged: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lk-test-'));
  directory = join(folder, 'postgres');
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  logged.length = 0;
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function start(settings: Partial<EmbeddedSettings> = {}): Promise<EmbeddedPostgres> {
  // A start that the disk keeps waiting says so.
  const log = (line: string): void => void (line.includes('is still starting') || logged.push(line));
  const server = await EmbeddedPostgres.start({ directory, log, ...settings });
  servers.push(server);
  return server;
}

async function query(server: Pick<EmbeddedPostgres, 'url'>, sql: string): Promise<unknown[]> {
  return onServer(server.url(), async (client) => (await client.query(sql)).rows);
}

/** A process that runs the server in `directory`, once it does. */
async function startElsewhere(
  prefix: string[] = [],
  where = directory,
): Promise<ReturnType<typeof runProgram> & { postgres: number }> {
  const program = runProgram('test/support/embedded-owner.ts', [where], prefix);
  await eventually(
    () => /ready \d+/.test(program.output()) || program.child.exitCode !== null,
    DISK_LIMIT_MS,
  );
  return { ...program, postgres: Number(/ready (\d+)/.exec(program.output())?.[1]) };
}

describe('the embedded PostgreSQL', () => {
  test('keeps its data from one start to the next, and leaves nothing running in between', async () => {
    const first = await start();
    const pid = pidOf(first);
    await query(first, 'DROP TABLE IF EXISTS kept; CREATE TABLE kept (n int)');
    await query(first, 'INSERT INTO kept VALUES (7)');
    await first.stop();
    await first.stop();
    expect(isRunning(pid)).toBe(false);
    const second = await start();
    expect(await query(second, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    expect(await findRunningEmbedded(directory).then((found) => found?.url())).toBe(second.url());
    await second.stop();
    expect(await findRunningEmbedded(directory)).toBeNull();
    expect(logged).toEqual([]);
  });

  test('speaks UTF-8, sorts the same everywhere, lives in UTC, and listens on no port', async () => {
    const server = await start();
    const [row] = await query(
      server,
      `SELECT current_setting('server_encoding') AS encoding, datlocale AS collation, current_setting('TimeZone') AS zone,
              current_setting('listen_addresses') AS addresses, upper('ä') AS upper
       FROM pg_database WHERE datname = current_database()`,
    );
    expect(row).toEqual({ encoding: 'UTF8', collation: 'C.UTF-8', zone: 'UTC', addresses: '', upper: 'Ä' });
  });

  test('is reached where the path of the folder is too long for a socket, or unusual', async () => {
    const name = `${'x'.repeat(60)}, with 'quotes', "more" & ümlauts?`;
    const server = await start({ directory: join(folder, name, 'postgres') });
    expect(await query(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const socket = new URL(server.url().replace('@/', '@host/')).searchParams.get('host') ?? '';
    expect(socket).not.toContain('quotes');
    expect(existsSync(socket)).toBe(true);
    await server.stop();
    expect(existsSync(socket)).toBe(false);
  });

  test('is behind a password where it has a port', async () => {
    for (let round = 0; round < 2; round++) {
      const server = await start({ directory: join(folder, 'tcp', 'postgres'), transport: 'tcp' });
      expect(await query(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      expect(await findRunningEmbedded(server.directory).then((found) => found?.url())).toBe(server.url());
      const guess = { url: () => server.url().replace(/latchkey:[^@]+@/, 'latchkey:guess@') };
      await expect(query(guess, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
      await server.stop();
    }
  });

  test('gets nothing of our environment', async () => {
    if (!IS_LINUX) return;
    const server = await start();
    const environment = await readFile(`/proc/${server.pid}/environ`, 'utf8');
    expect(
      environment
        .split('\0')
        .map((entry) => entry.split('=')[0])
        .sort(),
    ).not.toContain('PATH');
  });
});

describe('a directory', () => {
  test('that another process works on is refused, by name and pid; the other is not disturbed', async () => {
    const other = await startElsewhere();
    const refusal = start();
    await expect(refusal).rejects.toBeInstanceOf(StartError);
    await expect(refusal).rejects.toThrow(
      `the embedded database in ${directory} is in use by another Latchkey (pid ${other.child.pid}), whose PostgreSQL has pid ${other.postgres}: stop that one`,
    );
    const found = await findRunningEmbedded(directory);
    expect(found && (await query(found, 'SELECT 1 AS one'))).toEqual([{ one: 1 }]);
    other.child.kill('SIGTERM');
    expect(await other.exited).toBe(0);
    expect(isRunning(other.postgres)).toBe(false);
    await start();
  });

  test('that two make and start at the same moment: one wins, the other is refused', async () => {
    const fresh = join(folder, 'race', 'postgres');
    const results = await Promise.allSettled([1, 2].map(() => start({ directory: fresh })));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(1);
    for (const { reason } of refused) expect(String(reason)).toMatch(/is in use by another/);
    expect(await query(servers[0] ?? { url: () => '' }, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect((await readdir(dirname(fresh))).sort()).toEqual(['postgres', 'postgres.log']);
  });

  test('whose owner was killed: PostgreSQL ends with it, and the next start has everything', async () => {
    if (!IS_LINUX) return;
    const other = await startElsewhere();
    const found = await findRunningEmbedded(directory);
    if (found) await query(found, 'DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS n');
    other.child.kill('SIGKILL');
    await eventually(() => !isRunning(other.postgres), DISK_LIMIT_MS);
    expect(await query(await start(), 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  });

  test('with a server that a killed process left behind: it is stopped', async () => {
    if (!IS_LINUX) return;
    await (await start()).stop();
    const binaries = await findBinaries();
    const orphan = (await findLauncher(binaries.postgres, null)).start(
      binaries.postgres,
      ['-D', directory, '-c', 'listen_addresses=', '-c', `unix_socket_directories=${directory}`],
      openSync('/dev/null', 'w'),
    );
    await eventually(async () => (await findRunningEmbedded(directory)) !== null);
    await writeFile(join(directory, 'latchkey.pid'), `${NOBODY_IS} ${orphan.pid}\n`);
    expect(await query(await start(), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(isRunning(pidOf(orphan))).toBe(false);
    expect(logged).toEqual([
      `stopping the PostgreSQL (pid ${orphan.pid}) that an earlier Latchkey left behind`,
    ]);
  });

  test('with the postmaster.pid of a server that lost power, whose number another program has now', async () => {
    const server = await start();
    const left = await readFile(join(directory, 'postmaster.pid'), 'utf8');
    await server.stop();
    await writeFile(join(directory, 'postmaster.pid'), left.replace(/^\d+/, String(process.pid)));
    expect(await query(await start(), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('whose server was killed is repaired, and served again under the same address', async () => {
    const server = await start();
    await query(server, 'DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS n');
    const killed = pidOf(server);
    process.kill(killed, 'SIGKILL');
    await eventually(() => server.pid !== undefined && server.pid !== killed, DISK_LIMIT_MS);
    expect(await query(server, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    await eventually(() => logged.at(-1) === 'the embedded PostgreSQL is back');
  });

  test('of another major version is refused with what to do', async () => {
    const older = join(folder, 'older');
    await mkdir(older);
    await writeFile(join(older, 'PG_VERSION'), '17\n');
    await expect(start({ directory: older })).rejects.toThrow(
      /was made by PostgreSQL 17, which PostgreSQL 18 cannot read: move it away/,
    );
  });

  test('that is none of PostgreSQL’s is refused, and left as it is', async () => {
    const another = join(folder, 'another');
    await mkdir(another);
    await writeFile(join(another, 'thesis.txt'), 'mine');
    await expect(start({ directory: another })).rejects.toThrow(/holds other files/);
    expect(await readdir(another)).toEqual(['thesis.txt']);
  });

  test('that cannot be made is refused in one line', async () => {
    await writeFile(join(folder, 'file'), '');
    const refusal = start({ directory: join(folder, 'file', 'postgres') });
    await expect(refusal).rejects.toThrow(/cannot be kept in .*: a part of the path is a file; set DATA_DIR/);
  });

  test('with a setting that PostgreSQL does not take is refused with its words', async () => {
    await expect(start({ settings: { shared_buffers: 'lots' } })).rejects.toThrow(
      /did not start: invalid value for parameter "shared_buffers": "lots" \(its log: .*postgres\.log\)/,
    );
  });
});

// Run as root these tests show root's way (a user namespace); this one shows everybody else's.
(IS_ROOT && IS_LINUX ? describe : describe.skip)('an ordinary user', () => {
  const asUser = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

  test('starts it, keeps it from others, and meets a clear refusal where it may not write', async () => {
    const own = join(folder, 'own');
    await mkdir(own);
    await chmod(folder, 0o755);
    await chmod(own, 0o777);
    const foreign = join(folder, 'foreign', 'postgres');
    const program = await startElsewhere(asUser, join(own, 'postgres'));
    expect(program.output()).toMatch(/ready \d+/);
    expect((await readFile(`/proc/${program.postgres}/status`, 'utf8')).match(/^Uid:\s+(\d+)/m)?.[1]).toBe(
      '65534',
    );
    program.child.kill('SIGTERM');
    expect(await program.exited).toBe(0);

    // Root starts the same data afterwards: as their owner.
    const server = await start({ directory: join(own, 'postgres') });
    expect((await readFile(`/proc/${server.pid}/status`, 'utf8')).match(/^Uid:\s+(\d+)/m)?.[1]).toBe('65534');
    await server.stop();

    const refused = await startElsewhere(asUser, foreign);
    expect(refused.output()).toBe(
      `StartError: the embedded database cannot be kept in ${foreign}: this user has no access to it; set DATA_DIR to another directory, or DATABASE_URL to a PostgreSQL of your own\n`,
    );
  });
});
