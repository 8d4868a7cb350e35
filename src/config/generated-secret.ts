import { randomBytes } from 'node:crypto';
import { constants, copyFileSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileErrorText, isFileError } from './file-error.js';
import { secretList, type SecretList } from './secret.js';
import type { Report } from './variable.js';

const FILE_NAME = 'app-secret';

/** Null when there is no such file. */
function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (isFileError(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Fails with EEXIST when something is at `path`. */
function publish(draft: string, path: string): void {
  try {
    linkSync(draft, path);
  } catch (error) {
    if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].some((code) => isFileError(error, code))) throw error;
    // A file system without hard links. Exclusive too, but another process may meet the file half written.
    copyFileSync(draft, path, constants.COPYFILE_EXCL);
  }
}

/**
 * Puts `text` at `path` unless something is there already, and returns what is there: of processes that start at
 * once, all get the same. The link makes the whole file appear in one step.
 */
export function claim(path: string, text: string): string {
  const draft = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    writeFileSync(draft, `${text}\n`, { flag: 'wx', mode: 0o600, flush: true });
    publish(draft, path);
  } catch (error) {
    if (!isFileError(error, 'EEXIST')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return read(path) ?? text;
}

/**
 * The secret of a development or test instance: made once, kept in `<DATA_DIR>/app-secret` (0600, in a folder that
 * is made 0700). Undefined after a report.
 */
export function generatedSecret(dataDir: string, report: Report): SecretList | undefined {
  const path = join(dataDir, FILE_NAME);
  const remedy = 'set APP_SECRET, or DATA_DIR to a folder that this user can write to';
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const text = read(path) ?? claim(path, randomBytes(32).toString('base64'));
    return secretList(text, (problem) =>
      report(`${path} ${problem}; or delete that file, which signs everybody out, to have a new one made`),
    );
  } catch (error) {
    report(`no secret can be kept in ${path}: ${fileErrorText(error)}; allowed: ${remedy}`);
    return undefined;
  }
}
