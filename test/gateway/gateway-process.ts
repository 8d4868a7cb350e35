import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/free-port.mjs';
import { eventually } from '../support/processes.js';

/** The gateways whose configurations in deploy/gateway are tried on the real thing. */
export const GATEWAYS = ['nginx', 'caddy'] as const;
export type GatewayName = (typeof GATEWAYS)[number];

/** What is behind a gateway, by port on this machine. */
export interface Behind {
  readonly latchkey: number;
  readonly app: number;
}

/** Where the program is, or null where it is not installed. Debian keeps servers out of a user's PATH. */
export function findGateway(name: GatewayName): string | null {
  const version = name === 'nginx' ? '-v' : 'version';
  const found = [name, `/usr/sbin/${name}`, `/usr/bin/${name}`].find(
    (path) => spawnSync(path, [version]).status === 0,
  );
  return found ?? null;
}

/** A gateway as an operator would run it, with the file of deploy/gateway, its addresses changed and nothing else. */
export class GatewayProcess {
  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly folder: string,
    private readonly output: () => string,
  ) {}

  static async start(name: GatewayName, program: string, behind: Behind): Promise<GatewayProcess> {
    const folder = mkdtempSync(join(tmpdir(), `lk-${name}-`));
    const port = await freePort();
    const parameters = name === 'nginx' ? nginx(folder, port, behind) : caddy(folder, port, behind);
    const child = spawn(program, parameters, {
      env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    }
    const gateway = new GatewayProcess(`http://127.0.0.1:${port}`, child, folder, () => text);
    await gateway.isUp();
    return gateway;
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    if (this.child.exitCode === null && this.child.kill('SIGTERM')) await exited;
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async isUp(): Promise<void> {
    try {
      await eventually(async () => {
        if (this.child.exitCode !== null) throw new Error('it has ended');
        return fetch(this.url).then(
          () => true,
          () => false,
        );
      }, 20_000);
    } catch (error) {
      await this.stop();
      throw new Error(`the gateway did not start: ${this.output()}`, { cause: error });
    }
  }
}

function nginx(folder: string, port: number, { latchkey, app }: Behind): string[] {
  const site = changed('nginx.conf', [
    ['listen 80;', `listen 127.0.0.1:${port};`],
    ['server 127.0.0.1:3000;', `server 127.0.0.1:${latchkey};`],
    ['server 127.0.0.1:8080;', `server 127.0.0.1:${app};`],
  ]);
  writeFileSync(join(folder, 'site.conf'), site);
  for (const name of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(join(folder, name));
  // What a distribution's own nginx.conf says, for somebody who may not write to /var: one process, high port, own folder.
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  include site.conf;
}
`,
  );
  return ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
}

function caddy(folder: string, port: number, { latchkey, app }: Behind): string[] {
  const site = changed('Caddyfile', [
    ['\napp.example.com {', `\nhttp://:${port} {`],
    ['/auth/* 127.0.0.1:3000', `/auth/* 127.0.0.1:${latchkey}`],
    ['forward_auth 127.0.0.1:3000', `forward_auth 127.0.0.1:${latchkey}`],
    ['reverse_proxy 127.0.0.1:8080', `reverse_proxy 127.0.0.1:${app}`],
  ]);
  writeFileSync(join(folder, 'Caddyfile'), `{\n\tadmin off\n}\n${site}`);
  return ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
}

/** A file of deploy/gateway with these words changed, each of which must be in it. */
function changed(name: string, changes: readonly [string, string][]): string {
  let text = readFileSync(join(import.meta.dirname, '../../deploy/gateway', name), 'utf8');
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`deploy/gateway/${name} has no "${from}"`);
    text = text.replace(from, to);
  }
  return text;
}
