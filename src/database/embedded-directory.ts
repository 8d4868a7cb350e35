import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PostgresBinaries } from './embedded-binaries.js';
import type { Launcher, Owner } from './embedded-launcher.js';
import { errorCode, errorField } from './error-code.js';
import { StartError } from './start-error.js';

/** The superuser of the embedded server. */
export const EMBEDDED_USER = 'latchkey';
const ADVICE = 'set DATA_DIR to another directory, or DATABASE_URL to a PostgreSQL of your own';

/** Whom the data directory belongs to; null while there is none. Throws a StartError when it is of another major version. */
export async function inspectDirectory(directory: string, major: string): Promise<Owner | null> {
  const version = await readFile(join(directory, 'PG_VERSION'), 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw unusable(directory, error);
  });
  if (version === null) {
    const files = await readdir(directory).catch(() => []);
    if (files.length === 0) return null;
    throw new StartError(
      `the embedded database cannot be kept in ${directory}: it holds other files; ${ADVICE}`,
    );
  }
  if (version.trim() !== major) {
    throw new StartError(
      `the embedded database in ${directory} was made by PostgreSQL ${version.trim()}, which PostgreSQL ${major} cannot read: move it away and a new one is made (pg_dump of PostgreSQL ${version.trim()} can carry the data over)`,
    );
  }
  const { uid, gid } = await stat(directory);
  return { uid, gid };
}

/** Makes the data directory: all of it, or nothing when it is interrupted. `authentication`: how initdb is told whom to trust. */
export async function createDirectory(
  directory: string,
  binaries: PostgresBinaries,
  launcher: Launcher,
  authentication: readonly string[],
): Promise<void> {
  const draft = await mkdtemp(`${directory}.new-`).catch((error: unknown) => {
    throw unusable(directory, error);
  });
  try {
    if (launcher.user) {
      await chown(draft, launcher.user.uid, launcher.user.gid);
      const parent = dirname(directory);
      await chmod(parent, (await stat(parent)).mode | 0o011); // that user has to pass through, not to look
    }
    const { code, output } = await launcher.run(binaries.initdb, [
      `--pgdata=${draft}`,
      `--username=${EMBEDDED_USER}`,
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
      ...authentication,
    ]);
    if (code !== 0) {
      throw new StartError(
        `the embedded database cannot be made in ${directory}: ${problemIn(output)}; ${ADVICE}`,
      );
    }
    await rename(draft, directory).catch((error: unknown) => {
      // Another process was faster. Its directory is as good, and starting on it tells whether it is in use.
      if (!['ENOTEMPTY', 'EEXIST'].includes(errorCode(error))) throw unusable(directory, error);
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Makes the folder that the data directory lies in, and says in one line why it cannot. */
export async function createParent(directory: string): Promise<void> {
  await mkdir(dirname(directory), { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw unusable(directory, error);
  });
}

/** The line of PostgreSQL's output that says what is wrong. */
export function problemIn(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  const worst = [/No space left|quota exceeded/, /(PANIC|FATAL): /, /error: /i, /could not/].map((kind) =>
    lines.findLast((line) => kind.test(line)),
  );
  const line = worst.find((found) => found !== undefined) ?? lines.findLast((found) => found !== '');
  return (line ?? 'it says nothing').replace(/^.*?(PANIC|FATAL|ERROR|error): +/, '');
}

/** Why nothing can be written there, in one line. */
export function unusable(directory: string, error: unknown): StartError {
  const reasons: Readonly<Record<string, string>> = {
    EACCES: 'this user has no access to it',
    EPERM: 'this user has no access to it',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
    EDQUOT: 'the disk quota is used up',
    ENOTDIR: 'a part of the path is a file',
    EEXIST: 'a part of the path is a file',
  };
  const reason = reasons[errorCode(error)] ?? errorField(error, 'message');
  return new StartError(`the embedded database cannot be kept in ${directory}: ${reason}; ${ADVICE}`);
}
