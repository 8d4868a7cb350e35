import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@redis/client';
import { freePort } from '../../support/free-port.mjs';
import { eventually } from '../../support/processes.js';

const PROGRAM = ['/usr/bin/redis-server', '/usr/local/bin/redis-server'].find(existsSync);
/** Of the server, so that tests can look for it where it must not be. */
const PASSWORD = 'hunter2-of-redis';

/** Whether there is a Redis on this machine. Tests that need one are skipped without, and say so by their name. */
export const HAS_REDIS = PROGRAM !== undefined;
/** For the name of what is skipped. */
export const REDIS = HAS_REDIS ? 'redis' : 'redis (skipped: redis-server is not installed)';

/** A Redis of one test file's own, that may be frozen, stopped and filled up. */
export class OwnRedis {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly port: number,
    private readonly folder: string,
  ) {}

  /** Reserves a port and starts there. `running: false`: only reserves it. */
  static async start({ running = true } = {}): Promise<OwnRedis> {
    const redis = new OwnRedis(await freePort(), await mkdtemp(join(tmpdir(), 'lk-redis-')));
    if (running) await redis.comeUp();
    return redis;
  }

  /** For `REDIS_URL`. */
  get url(): string {
    return `redis://:${PASSWORD}@127.0.0.1:${this.port}`;
  }

  get password(): string {
    return PASSWORD;
  }

  /** Starts the server, empty. */
  async comeUp(): Promise<void> {
    const settings = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--requirepass', PASSWORD];
    const nothingKept = ['--save', '', '--appendonly', 'no', '--dir', this.folder];
    this.child = spawn(PROGRAM ?? '', [...settings, ...nothingKept], { stdio: 'ignore' });
    await eventually(() =>
      this.command('PING').then(
        () => true,
        () => false,
      ),
    );
  }

  /** Ends the server at once; it stays away until {@link comeUp}. */
  async goAway(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (!child || child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Stops its process where it is: connections stay open and nobody answers. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  /** Runs a command beside the applications, on a connection of its own. */
  async command(...words: [string, ...string[]]): Promise<unknown> {
    const client = createClient({ url: this.url, socket: { reconnectStrategy: false } });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await client.sendCommand(words);
    } finally {
      client.destroy();
    }
  }

  async stop(): Promise<void> {
    this.thaw();
    await this.goAway();
    await rm(this.folder, { recursive: true, force: true });
  }
}
