import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testServerAddress } from '../support/test-database.js';
import { PROPERTIES } from '../conformance/properties.js';

const ROOT = join(import.meta.dirname, '../..');
const OPAQUE = join(ROOT, 'test/examples/opaque.strategy.ts');
/** A whole suite of its own runs in there. */
const PATIENCE = 600_000;

interface Outcome {
  readonly code: number | null;
  readonly printed: string;
  readonly complained: string;
  /** The verdict of each row. */
  readonly rows: Readonly<Record<string, string>>;
}

/** `npm run conformance -- <file>` on strategies that are no part of this project. */
describe('the conformance command', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'lk-outside-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const byNpm = (...parameters: string[]): Promise<Outcome> =>
    start('npm', ['--prefix', ROOT, 'run', '--silent', 'conformance', '--', ...parameters]);
  const run = (...parameters: string[]): Promise<Outcome> =>
    start(process.execPath, [join(ROOT, 'scripts/conformance.mjs'), ...parameters]);

  /** Starts it in the folder of the strategy, on the PostgreSQL of this test run. */
  function start(program: string, parameters: readonly string[]): Promise<Outcome> {
    const child = spawn(program, parameters, {
      cwd: folder,
      env: { ...process.env, TEST_DATABASE_URL: testServerAddress().url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const texts = { printed: '', complained: '' };
    child.stdout.on('data', (chunk: Buffer) => (texts.printed += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (texts.complained += chunk.toString()));
    return new Promise((resolve) => {
      child.once('close', (code) => {
        const lines = texts.printed.matchAll(/^(\S.*?) {2,}(held|NO|NOT RUN|not asked)\b/gm);
        resolve({
          code,
          ...texts,
          rows: Object.fromEntries([...lines].map(([, row, verdict]) => [row, verdict])),
        });
      });
    });
  }

  /** The opaque example with some of its words changed, each of which must be in it. */
  function write(name: string, ...changes: [from: string, to: string][]): string {
    let text = readFileSync(OPAQUE, 'utf8');
    for (const [from, to] of changes) {
      expect(text).toContain(from);
      text = text.replace(from, to);
    }
    writeFileSync(join(folder, name), text);
    return name;
  }

  test(
    'the example of docs/adding-a-strategy.md, from a folder outside: every row holds',
    async () => {
      copyFileSync(OPAQUE, join(folder, 'opaque.strategy.ts'));
      const { code, rows, printed } = await byNpm('opaque.strategy.ts');
      expect([code, printed]).toEqual([0, expect.stringContaining('strategy "opaque"')]);
      expect(rows).toEqual(Object.fromEntries(PROPERTIES.map(([row]) => [row, 'held'])));
    },
    PATIENCE,
  );

  test(
    'a strategy that takes any token for the newest session does not tell absent from bad',
    async () => {
      const file = write(
        'gullible.strategy.ts',
        ['if (token !== tokenOf(secret))', 'if (token === secret)'],
        [
          'return liveOrRejected(await this.sessions.findBySecret(this.name, sha256(token)));',
          `seen.set(token, seen.get(token) ?? sha256(token));
    const found = await this.sessions.findBySecret(this.name, sha256(token));
    if (found) last = token;
    return liveOrRejected(found ?? (await this.sessions.findBySecret(this.name, sha256(last))));`,
        ],
        ['function tokenOf', "let last = '';\nconst seen = new Map<string, Buffer>();\n\nfunction tokenOf"],
      );
      const { code, rows, printed } = await run(file, '--only', 'absent against bad', '--only', 'sign-in');
      expect([code, rows['absent against bad'], rows['sign-in']]).toEqual([1, 'NO', 'held']);
      expect(rows['expiry']).toBe('not asked');
      expect(printed).toContain('any other string than the one handed out is credential_invalid');
    },
    PATIENCE,
  );

  test(
    "a strategy that forgets to ask for the session's end, in plain JavaScript with imports as in the tree",
    async () => {
      const source = `
        import { createHash, randomBytes } from 'node:crypto';
        import { Injectable } from '@nestjs/common';
        import { CredentialRejected } from '../auth-strategy.js';
        import { CredentialStore } from '../../sessions/credential-store.js';
        import { SessionsService } from '../../sessions/sessions.service.js';
        import { PREFIX } from './prefix.js';

        const sha256 = (token) => createHash('sha256').update(token).digest();

        export class ForgetfulStrategy {
          name = 'forgetful';
          ambient = false;
          constructor(sessions, credentials) {
            Object.assign(this, { sessions, credentials });
          }
          credentialIn({ bearerToken }) {
            return bearerToken?.startsWith(PREFIX) ? bearerToken : null;
          }
          async authenticate(exchange) {
            const session = await this.sessions.findBySecret(this.name, sha256(this.credentialIn(exchange)));
            if (!session) throw new CredentialRejected('credential_invalid');
            return session;
          }
          async issue(session, exchange, { on } = {}) {
            const accessToken = PREFIX + randomBytes(32).toString('base64url');
            await this.credentials.put({ sessionId: session.id, strategy: this.name, secretHash: sha256(accessToken), on });
            return { accessToken, tokenType: 'Bearer', expiresIn: 60 };
          }
          discard() {}
        }
        Injectable()(ForgetfulStrategy);
        Reflect.defineMetadata('design:paramtypes', [SessionsService, CredentialStore], ForgetfulStrategy);
      `;
      writeFileSync(join(folder, 'forgetful.js'), source);
      writeFileSync(join(folder, 'prefix.ts'), `export const PREFIX = 'fgt_';`);
      const asked = ['sign-in', 'logout', 'expiry', 'absent against bad'];
      const { code, rows } = await run('forgetful.js', ...asked.flatMap((row) => ['--only', row]));
      expect(asked.map((row) => [row, rows[row]])).toEqual([
        ['sign-in', 'held'],
        ['logout', 'NO'],
        ['expiry', 'NO'],
        ['absent against bad', 'held'],
      ]);
      expect(code).toBe(1);
    },
    PATIENCE,
  );

  test(
    'a file that cannot be tried: exit code 2, and a line that says why',
    async () => {
      write('taken.strategy.ts', ["readonly name = 'opaque'", "readonly name = 'jwt'"]);
      writeFileSync(join(folder, 'nothing.ts'), 'export const answer = 42;');
      writeFileSync(join(folder, 'broken.ts'), 'export class {');
      for (const [parameters, words] of [
        [['nowhere.ts'], /nowhere\.ts: no such file/],
        [['.'], /is not a file/],
        [[], /exactly one file/],
        [['nothing.ts', '--only', 'beauty'], /no row "beauty"; there are: sign-in, fixation/],
        [['nothing.ts', '--frobnicate'], /--frobnicate/],
        [['nothing.ts'], /exports no strategy: a class with credentialIn.*It exports answer\./],
        [['taken.strategy.ts'], /its name, "jwt", is taken/],
        [['broken.ts'], /broken\.ts cannot be tried: /],
      ] as const) {
        const { code, complained, printed } = await run(...parameters);
        expect([parameters, code, printed]).toEqual([parameters, 2, '']);
        expect(complained).toMatch(words);
      }
      const help = await run('--help');
      expect([help.code, help.printed]).toEqual([0, expect.stringContaining('--only <row>')]);
    },
    PATIENCE,
  );
});
