import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const BENCH = fileURLToPath(new URL('../', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Installs the contenders where that has not been done for the lock file that is there, and builds Latchkey where it has changed. */
export function prepare() {
  if (!isInstalled()) {
    console.log('Installing the contenders (npm ci in bench/) ...');
    run('npm', ['ci', '--no-audit', '--no-fund'], BENCH);
  }
  run(process.execPath, ['scripts/build-if-stale.mjs'], ROOT);
}

/** npm keeps what it installed in a lock file of its own, with the same packages. */
function isInstalled() {
  const hidden = `${BENCH}node_modules/.package-lock.json`;
  if (!existsSync(hidden)) return false;
  const installed = versionsIn(hidden);
  // Left out are those for other platforms.
  return Object.entries(versionsIn(`${BENCH}package-lock.json`)).every(
    ([path, { version, optional }]) =>
      path === '' || installed[path]?.version === version || (optional && !installed[path]),
  );
}

function versionsIn(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

function run(command, parameters, directory) {
  const { status, error } = spawnSync(command, parameters, {
    cwd: directory,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (error) throw error;
  if (status !== 0) process.exit(1);
}
