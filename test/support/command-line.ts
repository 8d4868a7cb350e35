import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { TEST_SECRET, type TestApp } from './test-app.js';

const PROGRAM = join(import.meta.dirname, '../../dist/src/cli.js');

/** How a command ended, and what it said. */
export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `latchkey <parameters>` beside an application, with its settings. `directory`: an empty one, where no `.env` is. */
export async function latchkey(
  app: TestApp,
  directory: string,
  parameters: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [PROGRAM, ...parameters.split(' ').filter(Boolean)], {
    cwd: directory,
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'test',
      AUTH_MODE: app.config.auth.mode.join(','),
      APP_SECRET: TEST_SECRET,
      DATABASE_URL: app.database.url,
      DATA_DIR: directory,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out, err };
}
