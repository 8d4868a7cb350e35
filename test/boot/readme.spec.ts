import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../support/free-port.mjs';
import { eventually, pidOf, signalTree } from '../support/processes.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';

const ROOT = join(import.meta.dirname, '..', '..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** What a newcomer copies: the start command of a mode, and the lines below it. */
const PASTED = {
  session: { start: 'npm start', client: blockAfter('readme.spec.ts pastes these lines: session') },
  jwt: { start: 'AUTH_MODE=jwt npm start', client: blockAfter('readme.spec.ts pastes these lines: jwt') },
} as const;

/** What they hold when the lines are through. */
const CREDENTIAL = { session: '-b cookies.txt', jwt: '-H "Authorization: Bearer $TOKEN"' } as const;

describe('the lines of the README, pasted', () => {
  let database: TestDatabase;
  let folder: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    folder = mkdtempSync(join(tmpdir(), 'lk-readme-'));
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await database.drop();
  });

  // On one database, as somebody who tries the one and then the other has it.
  test.each(['session', 'jwt'] as const)(
    '%s',
    async (mode) => {
      const { start, client } = PASTED[mode];
      expect(README).toContain(`\`\`\`sh\n${start}\n\`\`\``);
      const port = await freePort();
      const here = (line: string): string => line.replaceAll('localhost:3000', `localhost:${port}`);
      const server = spawn('sh', ['-c', start], {
        cwd: ROOT,
        env: environmentOf({
          PORT: String(port),
          DATABASE_URL: database.url,
          DATA_DIR: join(folder, 'data'),
        }),
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      server.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const ended = new Promise((resolve) => server.once('close', resolve));
      try {
        await eventually(() => output.includes('Latchkey is up'), 110_000);
        const state = `curl -s -o /dev/null -w '%{http_code}' ${CREDENTIAL[mode]} http://localhost:3000/auth/me`;
        // Between the pasted lines: whether the credential is worth something before the logout and after it.
        const [signUp, me, logOut] = client.split('\n\n');
        const script = [signUp, 'echo', me, 'echo', state, logOut, state].join('\n');
        const { stdout } = await promisify(execFile)('bash', ['-c', here(script)], {
          cwd: folder,
          env: environmentOf({}),
        });
        const [answer = '', states] = stdout.split('\n').slice(-2);
        const email = mode === 'session' ? 'ann@example.com' : 'bob@example.com';
        expect(JSON.parse(answer)).toMatchObject({ email, roles: ['user'] });
        expect(states).toBe('200401');
      } finally {
        signalTree(pidOf(server), 'SIGTERM');
        await ended;
      }
    },
    120_000, // `npm start` builds when the sources have changed
  );
});

const DOCUMENTS = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

test.each(DOCUMENTS)('every link of %s leads somewhere', (document) => {
  const text = readFileSync(join(ROOT, document), 'utf8').replaceAll(/```.*?```/gs, '');
  const dead = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? document : relative(ROOT, join(ROOT, dirname(document), path));
      if (!existsSync(join(ROOT, file))) return true;
      return anchor !== undefined && file.endsWith('.md') && !anchorsOf(file).has(anchor);
    });
  expect(dead).toEqual([]);
});

test('docs/README.md lists every document', () => {
  const index = readFileSync(join(ROOT, 'docs', 'README.md'), 'utf8');
  const adrs = readFileSync(join(ROOT, 'docs', 'adr', 'README.md'), 'utf8');
  const missing = DOCUMENTS.filter((name) => name.startsWith('docs/') && !name.endsWith('README.md')).filter(
    (name) =>
      name.startsWith('docs/adr/')
        ? !adrs.includes(`](${name.slice('docs/adr/'.length)})`)
        : !index.includes(`](${name.slice('docs/'.length)})`),
  );
  expect(missing).toEqual([]);
});

function blockAfter(marker: string): string {
  const block = /```sh\n(.*?)```/s.exec(README.slice(README.indexOf(marker)))?.[1];
  if (!README.includes(marker) || block === undefined) throw new Error(`no lines after "${marker}"`);
  return block;
}

/** As GitHub makes them of headings. */
function anchorsOf(file: string): Set<string> {
  const headings = readFileSync(join(ROOT, file), 'utf8').matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The newcomer's environment: none of jest's variables, no proxy between curl and localhost. */
function environmentOf(variables: Readonly<Record<string, string>>): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env;
  return { PATH, HOME, NO_PROXY: 'localhost', ...variables };
}
