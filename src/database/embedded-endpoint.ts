import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EMBEDDED_USER } from './embedded-directory.js';
import type { Owner } from './embedded-launcher.js';
import type { Postmaster } from './embedded-occupant.js';

/** The longest that the address of a Unix socket may be, on the strictest platform. */
const SOCKET_PATH_BYTES = 103;

/** How an embedded server is reached. */
export interface Endpoint {
  /** What initdb is told about whom to trust. */
  readonly authentication: readonly string[];
  /** The settings of the server that make it listen there. */
  readonly settings: Readonly<Record<string, string>>;
  url(database: string): string;
  /** Takes away what was made for it. */
  dispose(): Promise<void>;
}

/**
 * A Unix socket in the data directory, which only its owner can open, so that no password is needed and no port is
 * taken. Where the path is too long for a socket, in a short folder of its own.
 */
export async function socketEndpoint(directory: string, user?: Owner): Promise<Endpoint> {
  const fits =
    Buffer.byteLength(`${directory}/.s.PGSQL.5432`) <= SOCKET_PATH_BYTES && !/[",]/.test(directory);
  const folder = fits ? directory : await mkdtemp(join(tmpdir(), 'latchkey-'));
  if (!fits && user) await chown(folder, user.uid, user.gid);
  return {
    authentication: ['--auth=trust'],
    settings: {
      listen_addresses: '',
      port: '5432',
      unix_socket_directories: folder,
      unix_socket_permissions: '0700',
    },
    url: (database) => socketUrl(folder, 5432, database),
    dispose: async () => {
      if (!fits) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A free port of the loopback interface, behind a password that is kept beside the data: for Windows. */
export async function tcpEndpoint(directory: string): Promise<Endpoint> {
  const file = passwordFile(directory);
  const password = await readFile(file, 'utf8').catch(async () => {
    const fresh = randomBytes(24).toString('base64url');
    await writeFile(file, fresh, { mode: 0o600, flag: 'wx' });
    return fresh;
  });
  const port = await freePort();
  return {
    authentication: ['--auth=scram-sha-256', `--pwfile=${file}`],
    settings: { listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '' },
    url: (database) => tcpUrl(port, password, database),
    dispose: async () => {},
  };
}

/** The addresses on a server that another process started on the directory. */
export async function addressesOf(
  directory: string,
  { port, socketDirectory }: Postmaster,
): Promise<(database: string) => string> {
  if (socketDirectory !== '') return (database) => socketUrl(socketDirectory, port, database);
  const password = await readFile(passwordFile(directory), 'utf8');
  return (database) => tcpUrl(port, password, database);
}

// Everything that a `PG...` variable of the environment could change is named.
function socketUrl(folder: string, port: number, database: string): string {
  return `postgres://${EMBEDDED_USER}@/${database}?host=${encodeURIComponent(folder)}&port=${port}&sslmode=disable`;
}

function tcpUrl(port: number, password: string, database: string): string {
  return `postgres://${EMBEDDED_USER}:${password}@127.0.0.1:${port}/${database}?sslmode=disable`;
}

function passwordFile(directory: string): string {
  return `${directory}.password`;
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
