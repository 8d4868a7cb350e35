import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedPostgres } from '../../../src/database/embedded-postgres.js';
import { pidOf, signalTree } from '../../support/processes.js';
import type { TestDatabase } from '../../support/test-database.js';

/** A PostgreSQL of one test file's own, that may be frozen, stopped and killed, and set up as it likes. */
export class OwnServer {
  private constructor(
    private readonly folder: string,
    private readonly settings: Readonly<Record<string, string>>,
    private server: EmbeddedPostgres,
  ) {}

  /** `within`: where its folder is made. */
  static async start(
    settings: Readonly<Record<string, string>> = {},
    within: string = tmpdir(),
  ): Promise<OwnServer> {
    const folder = await mkdtemp(join(within, 'lk-own-'));
    const all = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', ...settings };
    return new OwnServer(folder, all, await launch(folder, all));
  }

  /** For `TestApp.start`. Its tables are made by the first application. */
  get database(): TestDatabase {
    return { url: this.server.url(), drop: async () => {} };
  }

  /** Stops its processes where they are: connections stay open and nobody answers. */
  freeze(): void {
    signalTree(pidOf(this.server), 'SIGSTOP');
  }

  /** Does nothing while it is down or starts. */
  thaw(): void {
    if (this.server.pid) signalTree(this.server.pid, 'SIGCONT');
  }

  /** `kill -9` of all its processes. It comes back by itself after a moment. */
  kill(): void {
    signalTree(pidOf(this.server), 'SIGKILL');
  }

  /** A fast shutdown; it stays away until {@link comeBack}. */
  async goAway(): Promise<void> {
    await this.server.stop();
  }

  async comeBack(): Promise<void> {
    this.server = await launch(this.folder, this.settings);
  }

  /** Runs SQL beside the applications, on a connection of its own. */
  async sql<T extends object>(text: string, parameters: unknown[] = []): Promise<T[]> {
    const client = new pg.Client({ connectionString: this.server.url(), connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<T>(text, parameters)).rows;
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function launch(folder: string, settings: Readonly<Record<string, string>>): Promise<EmbeddedPostgres> {
  return EmbeddedPostgres.start({ directory: join(folder, 'postgres'), log: () => undefined, settings });
}
