import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { type Outcome, latchkey as run } from '../support/command-line.js';
import { eventually } from '../support/processes.js';
import type { TestApp } from '../support/test-app.js';
import type { TestClient } from '../support/test-client.js';
import { signedIn, startApp } from './support/jwt-app.js';

jest.setTimeout(60_000);

describe('the command line', () => {
  let app: TestApp;
  let directory: string;
  let ann: TestClient;
  beforeAll(async () => {
    app = await startApp({ mode: 'jwt' });
    ann = await signedIn(app);
    directory = await mkdtemp(join(tmpdir(), 'lk-cli-'));
  });
  afterAll(async () => {
    await app.close();
    await rm(directory, { recursive: true, force: true });
  });

  const latchkey = (parameters: string, env: Record<string, string> = {}): Promise<Outcome> =>
    run(app, directory, parameters, env);
  const published = async (): Promise<string[]> => {
    const { body } = await app.client().get('/.well-known/jwks.json');
    return body.keys.map(({ kid }: { kid: string }) => kid);
  };
  const signing = (): string => decodeProtectedHeader(ann.accessToken ?? '').kid ?? '';

  test('keys list: a table, or JSON; without a private key, and without making anything', async () => {
    const [text, json] = await Promise.all([latchkey('keys list'), latchkey('keys list --json')]);
    expect([text.code, text.err, json.code, json.err]).toEqual([0, '', 0, '']);
    const [heading, row, ...rest] = text.out.trimEnd().split('\n');
    expect(heading).toMatch(/^KEY +ALGORITHM +STATE +SIGNS FROM +RETIRED +WITHDRAWN$/);
    expect(row).toMatch(new RegExp(`^${signing()}  ES256 +signing +\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z  - +-$`));
    expect(rest).toEqual([]);
    expect(JSON.parse(json.out)).toEqual({
      keys: [
        {
          id: signing(),
          algorithm: 'ES256',
          state: 'signing',
          createdAt: expect.any(String),
          signsFrom: expect.any(String),
          retiredAt: null,
          withdrawnAt: null,
        },
      ],
    });
    expect(text.out + json.out).not.toMatch(/private|encrypted|"d"/);
  });

  test('keys rotate: the next key, published by the running service within a second or so; --compromised: the others are gone', async () => {
    const first = signing();
    const rotated = await latchkey('keys rotate --json');
    expect([rotated.code, rotated.err]).toEqual([0, '']);
    const { key } = JSON.parse(rotated.out);
    expect(key).toMatchObject({ algorithm: 'ES256', state: 'next' });
    await eventually(async () => (await published()).includes(key.id));
    expect(await published()).toEqual([key.id, first]);
    expect((await ann.me()).status).toBe(200);

    const replaced = await latchkey('keys rotate --compromised');
    expect([replaced.code, replaced.err]).toEqual([0, '']);
    const [, kid] = /^Key (\S{16}) signs now\. All others are withdrawn/.exec(replaced.out) ?? [];
    await eventually(async () => (await ann.me()).status === 401);
    expect(await published()).toEqual([kid]);
    expect((await ann.refresh()).status).toBe(200);
    expect([signing(), (await ann.me()).status]).toEqual([kid, 200]);
  });

  test('usage: 0 for help, 2 for what it does not understand', async () => {
    const [help, keysHelp, none, half, unknown, option, extra] = await Promise.all(
      ['--help', 'keys rotate --help', '', 'keys', 'key list', 'keys list --yaml', 'keys list now'].map(
        (line) => latchkey(line),
      ),
    );
    expect([help?.code, help?.out]).toEqual([0, expect.stringMatching(/^Usage: latchkey .*keys/s)]);
    expect([keysHelp?.code, keysHelp?.out]).toEqual([0, expect.stringContaining('--compromised')]);
    for (const mistake of [none, half, unknown, option, extra]) {
      expect([mistake?.code, mistake?.out, mistake?.err]).toEqual([2, '', expect.stringMatching(/\S/)]);
    }
  });

  test('in a checkout it is there as npx latchkey, too', async () => {
    const root = join(import.meta.dirname, '../..');
    const { stdout } = await promisify(execFile)('npx', ['--no', 'latchkey', 'user', '--help'], {
      cwd: root,
    });
    expect(stdout).toMatch(/^Usage: latchkey user /);
  });

  test('refused: 1, one line for what is wrong, and no secret in it', async () => {
    const [settings, gone, unmigrated] = await Promise.all([
      latchkey('keys list', { AUTH_MODE: 'cookie', APP_SECRET: 'canary' }),
      latchkey('keys list', { DATABASE_URL: 'postgres://someone:canary@127.0.0.1:1/nothing' }),
      latchkey('keys rotate', { DATABASE_URL: app.database.url.replace(/\/[^/?]*(\?|$)/, '/template1$1') }),
    ]);
    expect(settings).toMatchObject({ code: 1, out: '' });
    expect(settings.err.trim().split('\n')).toEqual([
      expect.stringMatching(/^AUTH_MODE: /),
      expect.stringMatching(/^APP_SECRET: /),
    ]);
    expect(gone).toMatchObject({ code: 1, out: '' });
    expect(gone.err).toMatch(/DATABASE_URL/);
    expect(unmigrated).toMatchObject({ code: 1, out: '' });
    expect(unmigrated.err).toContain('migration:run');
    for (const { err } of [settings, gone, unmigrated]) expect(err).not.toMatch(/canary|\n +at /);
  });
});
