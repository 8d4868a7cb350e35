import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { findBinaries } from '../../../src/database/embedded-binaries.js';
import { findLauncher } from '../../../src/database/embedded-launcher.js';
import { EmbeddedPostgres } from '../../../src/database/embedded-postgres.js';
import { eventually, pidOf, signalTree } from '../../support/processes.js';

/** A primary and the hot standby that follows it by streaming replication: no commit is answered before both have it. */
export class StandbyPair {
  private constructor(
    private readonly folder: string,
    private readonly primary: EmbeddedPostgres,
    private readonly standby: ChildProcess,
  ) {}

  static async start(): Promise<StandbyPair> {
    const folder = await mkdtemp(join(tmpdir(), 'lk-pair-'));
    const [one, two] = [join(folder, 'a'), join(folder, 'b')];
    const log = (): void => undefined;
    const seed = await EmbeddedPostgres.start({ directory: one, log });
    await seed.stop();
    await cp(one, two, { recursive: true });
    await writeFile(join(two, 'standby.signal'), '');
    const settings = { synchronous_standby_names: '*', fsync: 'off' };
    const primary = await EmbeddedPostgres.start({ directory: one, log, settings });
    const standby = await launchStandby(two, `host=${one} port=5432 user=latchkey`);
    await eventually(
      async () => (await rows(one, `SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'`)) > 0,
    );
    return new StandbyPair(folder, primary, standby);
  }

  /** The socket of either server. */
  get sockets(): { readonly primary: string; readonly standby: string } {
    return { primary: socketOf(join(this.folder, 'a')), standby: socketOf(join(this.folder, 'b')) };
  }

  /** The address of the new primary itself, for looking at its rows. */
  get standbyUrl(): string {
    return urlOf(join(this.folder, 'b'));
  }

  get primaryUrl(): string {
    return urlOf(join(this.folder, 'a'));
  }

  /** The machine of the primary stops where it is. */
  powerOff(): void {
    signalTree(pidOf(this.primary), 'SIGSTOP');
  }

  /** Makes the standby the primary. */
  async promote(): Promise<void> {
    await rows(join(this.folder, 'b'), 'SELECT pg_promote()');
    await rows(join(this.folder, 'b'), 'ALTER SYSTEM RESET synchronous_standby_names');
  }

  async stop(): Promise<void> {
    signalTree(pidOf(this.primary), 'SIGCONT');
    const ended = this.standby.exitCode === null ? once(this.standby, 'exit') : undefined;
    this.standby.kill('SIGQUIT');
    await Promise.all([ended, this.primary.stop()]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function launchStandby(directory: string, primary: string): Promise<ChildProcess> {
  const { postgres } = await findBinaries();
  const launcher = await findLauncher(postgres, {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
  });
  const log = await open(`${directory}.log`, 'a');
  const settings = {
    listen_addresses: '',
    port: '5432',
    unix_socket_directories: directory,
    unix_socket_permissions: '0700',
    fsync: 'off',
    primary_conninfo: primary,
  };
  const parameters = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = launcher.start(postgres, ['-D', directory, ...parameters], log.fd);
  await log.close();
  await eventually(
    () =>
      rows(directory, 'SELECT 1').then(
        () => true,
        () => false,
      ),
    20_000,
  );
  return child;
}

const socketOf = (directory: string) => join(directory, '.s.PGSQL.5432');
const urlOf = (directory: string) =>
  `postgres://latchkey@/latchkey?host=${encodeURIComponent(directory)}&port=5432&sslmode=disable`;

/** How many rows a statement has. */
async function rows(directory: string, sql: string): Promise<number> {
  const client = new pg.Client({ connectionString: urlOf(directory), connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows.length;
  } finally {
    await client.end();
  }
}
