import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';

jest.setTimeout(120_000);

const SCRIPTS = join(import.meta.dirname, '..', '..', 'scripts');

interface Outcome {
  readonly code: number;
  readonly out: string;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lk-supply-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a script on a folder, with its standard output and error. */
function run(
  script: string,
  parameters: readonly string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(SCRIPTS, script), ...parameters],
      { env: { ...process.env, ...env } },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out: out + err }),
    );
  });
}

/** An installation of one package, with another one for development only. */
function lock(fields: object): void {
  const packages = {
    '': { name: 'company', version: '1.0.0', dependencies: { herons: '1.0.0' } },
    'node_modules/herons': { version: '1.0.0', ...fields },
    'node_modules/linter': { version: '1.0.0', license: 'GPL-3.0-only', dev: true },
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(packages['']));
  writeFileSync(
    join(folder, 'package-lock.json'),
    JSON.stringify({ name: 'company', version: '1.0.0', lockfileVersion: 3, requires: true, packages }),
  );
}

describe('check:licenses', () => {
  test('all that is installed has a licence that is allowed', async () => {
    const { code, out } = await run('check-licenses.mjs', []);
    expect([code, out]).toEqual([0, expect.stringMatching(/^\d{3} packages, 0 refused; licences: .*MIT/)]);
  });

  test.each([
    ['MIT', 0],
    ['(MIT OR GPL-3.0-only)', 0],
    ['MIT AND Apache-2.0', 0],
    ['MIT AND GPL-3.0-only', 1],
    ['AGPL-3.0-or-later', 1],
    ['SEE LICENSE IN LICENSE.txt', 1],
    [undefined, 1],
  ])('%s: exit code %i', async (license, expected) => {
    lock({ license });
    const { code, out } = await run('check-licenses.mjs', [folder]);
    expect([code, /^herons@1\.0\.0: .* is not allowed$/m.test(out)]).toEqual([expected, expected === 1]);
    expect(out).not.toContain('linter');
  });
});

describe('check:audit asks the registry', () => {
  let registry: Server;
  let answer: { status: number; body: object };
  beforeAll(async () => {
    registry = createServer((request, response) => {
      const { status, body } = request.method === 'POST' ? answer : { status: 404, body: {} };
      request.resume();
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
    lock({ license: 'MIT', resolved: 'https://registry.npmjs.org/herons/-/herons-1.0.0.tgz' });
  });
  afterAll(() => new Promise((resolve) => registry.close(resolve)));

  const audit = (): Promise<Outcome> =>
    run('check-audit.mjs', [folder], {
      npm_config_registry: `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`,
      npm_config_cache: join(folder, 'cache'),
      npm_config_fetch_retries: '0',
    });
  const advisory = (severity: string): object => ({
    herons: [
      {
        // npm remembers what it has made of an advisory by this.
        id: parseInt(severity, 36),
        url: 'https://advisories.example/1',
        title: 'They bite',
        severity,
        vulnerable_versions: '<2.0.0',
        cwe: [],
        cvss: { score: 0, vectorString: null },
      },
    ],
  });

  test.each([
    ['nothing', {}, 0, /0 total/],
    ['moderate', advisory('moderate'), 0, /1 moderate/],
    ['high', advisory('high'), 1, /^herons .*: high: They bite \(https:\/\/advisories\.example\/1\)$/m],
    ['critical', advisory('critical'), 1, /^herons .*: critical: /m],
  ])('which knows %s', async (_, body, code, text) => {
    answer = { status: 200, body };
    expect(await audit()).toEqual({ code, out: expect.stringMatching(text) });
  });

  test.each([405, 503])('which answers %i: it says so, and nobody fails for it', async (status) => {
    answer = { status, body: {} };
    expect(await audit()).toEqual({ code: 0, out: expect.stringMatching(/could not be asked/) });
  });

  test('without a lock file there is nothing to ask about, and that is a failure', async () => {
    rmSync(join(folder, 'package-lock.json'));
    expect(await audit()).toEqual({ code: 1, out: expect.stringMatching(/did not work/) });
  });
});
