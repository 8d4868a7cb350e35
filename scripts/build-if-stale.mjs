// Runs `nest build` only when something that it reads has changed since the last build, so that a second `npm start`
// starts at once; with --always (npm run build) in any case. Plain JavaScript without dependencies: it runs before
// anything is built.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDERS = ['src', 'migrations'];
const FILES = [
  'ormconfig.ts',
  'nest-cli.json',
  '.swcrc',
  'tsconfig.json',
  'tsconfig.build.json',
  'package-lock.json',
];
const OUTPUT = join(ROOT, 'dist', 'src', 'main.js');
const COMMAND = join(ROOT, 'dist', 'src', 'cli.js');
const STAMP = join(ROOT, 'dist', '.stamp');
const LOCK = join(ROOT, 'node_modules', '.cache', 'latchkey-build.lock');
const POLL_MS = 100;

process.exitCode = main();

function main() {
  // An image has the build without its sources.
  if (!existsSync(join(ROOT, 'src')) && existsSync(OUTPUT)) return 0;
  const isDone = () => !process.argv.includes('--always') && isFresh();
  if (isDone()) return 0;
  takeLock();
  try {
    return isDone() ? 0 : build(); // whoever had the lock before may have built it
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function isFresh() {
  return existsSync(OUTPUT) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === fingerprint();
}

function build() {
  const before = fingerprint();
  console.log(
    `${existsSync(OUTPUT) ? 'The sources have changed' : 'First start'}: building (some seconds) ...`,
  );
  const { status, error, stdout, stderr } = spawnSync(process.execPath, [nestCli(), 'build'], { cwd: ROOT });
  if (error) throw error;
  if (status !== 0) {
    process.stderr.write(Buffer.concat([stdout, stderr]));
    return status ?? 1;
  }
  chmodSync(COMMAND, 0o755); // npm does this only when it links the package the first time, and every build writes it anew
  // Of what was there when the build began: what changed since is built the next time.
  writeFileSync(STAMP, before);
  return 0;
}

function nestCli() {
  try {
    return createRequire(import.meta.url).resolve('@nestjs/cli/bin/nest.js');
  } catch {
    console.error('There is no build in dist/, and @nestjs/cli is not installed to make it: run npm ci');
    process.exit(1);
  }
}

/** Changes with every change, addition and removal of a file that the build reads. */
function fingerprint() {
  const hash = createHash('sha256');
  for (const file of [...FOLDERS.flatMap(filesBelow), ...FILES].sort()) {
    const stat = statSync(join(ROOT, file), { throwIfNoEntry: false });
    if (stat) hash.update(`${file} ${stat.size} ${stat.mtimeMs}\n`);
  }
  return hash.digest('hex');
}

function filesBelow(folder) {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath ?? entry.path, entry.name)));
}

/** Waits until no other process is building. A lock whose process is gone is taken over. */
function takeLock() {
  mkdirSync(dirname(LOCK), { recursive: true });
  for (let told = false; ;) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (holderIsGone()) rmSync(LOCK, { force: true });
    else if (!told) told = !console.log('Another process is building; waiting for it ...');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
}

function holderIsGone() {
  try {
    const holder = Number(readFileSync(LOCK, 'utf8'));
    if (holder > 0) process.kill(holder, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}
