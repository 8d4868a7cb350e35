import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { runCommandLine } from '../../src/cli/run-command-line.js';
import { openApiDocumentOf } from '../../src/openapi-document.js';
import { mintUsers } from '../session/support/minted.js';
import { parseOpenApi } from '../support/openapi-shape.js';
import { eventually } from '../support/processes.js';
import { MODES, TEST_SECRET, TestApp } from '../support/test-app.js';
import { PASSWORD, type TestClient, newEmail } from '../support/test-client.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';

jest.setTimeout(240_000);

/** What an emergency may take; the contract says a second for each ending. */
const KR04_MILLISECONDS = 5000;

const GENERATED = /^([a-hj-km-np-z2-9]{5}-){5}[a-hj-km-np-z2-9]{5}$/;

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lk-cli-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Runs a command with these settings, in this process: `test/jwt/cli.spec.ts` runs the program itself. */
async function latchkey(
  database: TestDatabase,
  parameters: readonly string[],
  { input = '', ...environment }: Record<string, string | undefined> = {},
): Promise<Outcome> {
  let [out, err] = ['', ''];
  const code = await runCommandLine(
    {
      environment: {
        NODE_ENV: 'test',
        AUTH_MODE: 'session',
        APP_SECRET: TEST_SECRET,
        DATABASE_URL: database.url,
        DATA_DIR: directory,
        ...environment,
      },
      directory,
      print: (text) => void (out += `${text}\n`),
      warn: (line) => void (err += `${line}\n`),
      readInput: async () => input,
      start: async () => undefined,
      openApi: openApiDocumentOf,
    },
    parameters,
  );
  return { code, out, err };
}

describe.each(MODES)('beside a node with AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { THROTTLE: 'off', SIGNUP: 'closed' } });
  });
  afterAll(() => app.close());
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look at it from outside
  const run = async (...parameters: string[]): Promise<any> => {
    const { code, out, err } = await latchkey(app.database, [...parameters, '--json'], { AUTH_MODE: mode });
    expect([parameters[1], code, err]).toEqual([parameters[1], 0, '']);
    return JSON.parse(out);
  };

  test('the story of an account: made, forgotten password, disabled, enabled, demoted, deleted', async () => {
    const admin = app.client();
    expect((await admin.signup()).body.code).toBe('signup_closed');
    const created = await run(
      'user',
      'create',
      admin.email.toUpperCase(),
      '--role',
      'admin',
      '--name',
      'Ann',
    );
    expect(created.user).toMatchObject({ email: admin.email, name: 'Ann', roles: ['user', 'admin'] });
    expect(created.password).toMatch(GENERATED);
    expect((await admin.login({ password: created.password })).status).toBe(200);
    expect((await admin.get('/admin/users')).status).toBe(200);

    const reset = await run('user', 'set-password', admin.email);
    await eventually(async () => (await admin.me()).status === 401);
    expect((await admin.sibling().login({ password: created.password })).status).toBe(401);
    expect(reset.password).toMatch(GENERATED);
    expect(reset.password).not.toBe(created.password);
    const back = admin.sibling();
    expect((await back.login({ password: reset.password })).status).toBe(200);

    expect((await run('user', 'disable', admin.email)).user.disabledAt).toMatch(/Z$/);
    await eventually(async () => (await back.me()).status === 401);
    expect((await admin.sibling().login({ password: reset.password })).status).toBe(401);
    expect((await run('user', 'enable', admin.email)).user.disabledAt).toBeNull();
    expect((await back.me()).status).toBe(401);
    const again = admin.sibling();
    expect((await again.login({ password: reset.password })).status).toBe(200);

    expect((await run('user', 'roles', admin.email)).user.roles).toEqual(['user', 'admin']);
    expect((await run('user', 'roles', admin.email, 'editor')).user.roles).toEqual(['user', 'editor']);
    await eventually(async () => [401, 403].includes((await again.get('/admin/users')).status));

    const { deleted } = await run('user', 'delete', admin.email);
    expect(deleted).toEqual({ id: created.user.id, email: admin.email });
    await eventually(async () => (await again.me()).status === 401);
    const audit = await app.rows<{ type: string }>(
      `SELECT type FROM audit_events WHERE actor = 'cli' AND user_id = $1 AND type <> 'session_ended' ORDER BY at, id`,
      [created.user.id],
    );
    const expected = ['created', 'reset', 'disabled', 'enabled', 'changed', 'deleted'];
    expect(audit.map(({ type }) => type.split('_')[1])).toEqual(expected);
    expect(JSON.stringify(await app.rows('SELECT * FROM audit_events'))).not.toContain(created.password);
  });

  test('KR04 sessions end --all: within 5 s no credential of anybody is good on any of three nodes', async () => {
    const others = await Promise.all(
      [0, 1].map(() => TestApp.start({ mode, database: app.database, env: { THROTTLE: 'off' } })),
    );
    const nodes = [app, ...others];
    const strategies = mode.split(',');
    const people = await Promise.all((await mintUsers(app, 6)).map(({ email }) => signedIn(email)));
    async function signedIn(email: string): Promise<TestClient[]> {
      return Promise.all(
        strategies.map(async (strategy) => {
          const client = app.client();
          client.email = email;
          expect((await client.login({ strategy })).status).toBe(200);
          return client;
        }),
      );
    }
    // Every node remembers every one of them, and does not have to ask.
    const everywhere = people.flat().flatMap((client) => nodes.map(({ url }) => client.copy(url)));
    for (let twice = 0; twice < 2; twice++)
      for (const client of everywhere) expect((await client.me()).status).toBe(200);

    const { ended } = await run('sessions', 'end', '--all');
    const endedAt = performance.now();
    expect(ended).toBeGreaterThanOrEqual(people.flat().length);
    const late: number[] = [];
    await Promise.all(
      everywhere.map(async (client) => {
        for (let status = 0; status !== 401;) {
          const after = performance.now() - endedAt;
          ({ status } = await client.me());
          expect([200, 401, 503]).toContain(status);
          if (status !== 200 || after <= KR04_MILLISECONDS) continue;
          late.push(after);
          return;
        }
      }),
    );
    expect(late).toEqual([]);
    for (const client of everywhere.filter(({ refreshToken }) => refreshToken !== undefined))
      expect((await client.refresh()).body.code).toBe('credential_invalid');
    const again = app.client();
    again.email = people[0]?.[0]?.email ?? '';
    expect((await again.login()).status).toBe(200);
    for (const { url } of nodes) expect((await again.copy(url).me()).status).toBe(200);
    await Promise.all(others.map((node) => node.close()));
  });
});

describe('the command line', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode: 'session', env: { THROTTLE: 'off' } });
  });
  afterAll(() => app.close());
  const run = (line: string, env: Record<string, string> = {}): Promise<Outcome> =>
    latchkey(app.database, line.split(' ').filter(Boolean), env);

  test('user create: text for people; a password from the standard input is not printed', async () => {
    const email = newEmail();
    const { code, out, err } = await run(`user create ${email}`);
    expect([code, err]).toEqual([0, '']);
    const [made, password, advice] = out.trimEnd().split('\n');
    expect(made).toMatch(new RegExp(`^Created ${email} \\([0-9a-f-]{36}\\) with the roles user\\.$`));
    expect(password?.replace('Password: ', '')).toMatch(GENERATED);
    expect(advice).toMatch(/this once.*change it/);

    const own = app.client();
    const given = await run(`user create ${own.email} --password-stdin`, { input: `${PASSWORD}\n` });
    expect([given.code, given.err]).toEqual([0, '']);
    expect(given.out).not.toMatch(/password/i);
    expect((await own.login()).status).toBe(200);
  });

  test('refused: 1, one line, nothing on the standard output, and no password in it', async () => {
    const taken = app.client();
    await taken.signup();
    const lines: [string, RegExp, Record<string, string>?][] = [
      ['user create not-an-address', /no email address/],
      [`user create ${taken.email}`, /has an account already/],
      [`user create ${newEmail()} --password-stdin`, /must have at least 15 characters/, { input: 'canary' }],
      [`user create ${newEmail()} --role Admin`, /a role must begin with a letter/],
      ['user disable nobody@example.com', /there is no user nobody@example\.com/],
      ['sessions end --user nobody@example.com', /there is no user/],
      [`user roles ${taken.email} a,b`, /a role must/],
      ['config check', /^AUTH_MODE: /, { AUTH_MODE: 'canary' }],
    ];
    for (const [line, message, env] of lines) {
      const { code, out, err } = await run(line, env);
      expect([line, code, out]).toEqual([line, 1, '']);
      expect(err.trimEnd().split('\n')).toHaveLength(1);
      expect(err).toMatch(message);
      if (!line.startsWith('config')) expect(err).not.toContain('canary');
    }
  });

  test('usage: 2 for what it does not understand, and every command has a help', async () => {
    const mistakes = [
      'user',
      'user create',
      'user create a@b.example --password secret',
      'user promote a@b.example',
      'sessions end',
      'sessions end --all --user a@b.example',
      'sessions end --since yesterday',
      'sessions list --limit 0',
      'config',
    ];
    for (const line of mistakes) {
      const { code, out, err } = await run(line);
      expect([line, code, out, /\S/.test(err)]).toEqual([line, 2, '', true]);
    }
    const commands = [
      'user create',
      'user roles',
      'sessions end',
      'config print',
      'prune',
      'migrate',
      'openapi',
      'start',
    ];
    const helps = await Promise.all(commands.map((command) => run(`${command} --help`)));
    for (const { code, out } of helps) {
      expect(code).toBe(0);
      expect(out).toContain('--json');
    }
  });

  test('sessions: who is signed in; ending those of a user, those since a time, or all', async () => {
    const ann = app.client();
    await ann.signup();
    const bob = app.client();
    await bob.signup();
    const list = await run('sessions list');
    expect(list.out).toMatch(/^SESSION +USER +HOLDS +STARTED +LAST SEEN +ADDRESS\n/);
    expect(list.out).toMatch(
      new RegExp(`${ann.sessionId} +${ann.email} +session +\\S+Z +\\S+Z +127\\.0\\.0\\.1`),
    );
    const own = JSON.parse((await run(`sessions list --user ${ann.email} --json`)).out);
    expect(own.sessions).toMatchObject([{ id: ann.sessionId, email: ann.email, strategies: ['session'] }]);

    expect((await run(`sessions end --user ${ann.email}`)).out).toBe('Ended 1 session.\n');
    await eventually(async () => (await ann.me()).status === 401);
    expect((await bob.me()).status).toBe(200);
    await app.rows(`UPDATE sessions SET created_at = now() - interval '3 hours' WHERE id = $1`, [
      bob.sessionId,
    ]);
    await ann.login();
    await run('sessions end --since 2h');
    await eventually(async () => (await ann.me()).status === 401);
    expect((await bob.me()).status).toBe(200);
    expect(JSON.parse((await run('sessions end --all --json')).out)).toEqual({ ended: 1 });
    await eventually(async () => (await bob.me()).status === 401);
    expect((await run('sessions list')).out).toBe('Nobody is signed in.\n');
    const [ended] = await app.rows(
      'SELECT actor, details FROM audit_events WHERE session_id = $1 AND actor = $2',
      [bob.sessionId, 'cli'],
    );
    expect(ended).toEqual({ actor: 'cli', details: { reason: 'ended_by_operator' } });
  });

  test('BT13 config print masks every secret; config check says that all is well', async () => {
    const env = {
      DATABASE_URL: 'postgres://ann:canary@db.example/latchkey',
      DATABASE_DIRECT_URL: 'postgres://ann:canary@direct.example/latchkey',
      REDIS_URL: 'redis://:canary@redis.example',
    };
    for (const line of ['config print', 'config print --json']) {
      const { code, out, err } = await run(line, env);
      expect([code, err]).toEqual([0, '']);
      expect(out).toMatch(/APP_SECRET"?[=:]"?\*\*\* \(id [0-9a-f]{8}\)/);
      expect(out).toContain('db.example');
      for (const secret of ['canary', TEST_SECRET]) expect(out).not.toContain(secret);
    }
    expect((await run('config check', env)).out).toBe('The settings are valid.\n');
  });

  test('prune: sessions and audit events that are due', async () => {
    await app.rows(
      `INSERT INTO audit_events (id, at, type) VALUES (gen_random_uuid(), now() - interval '401 days', 'old')`,
    );
    const ann = app.client();
    await ann.signup();
    await app.rows(`UPDATE sessions SET ended_at = now() - interval '31 days' WHERE id = $1`, [
      ann.sessionId,
    ]);
    expect((await run('prune')).out).toBe('Deleted 1 sessions and 1 audit events.\n');
    expect(JSON.parse((await run('prune --json')).out)).toEqual({ pruned: { sessions: 0, auditEvents: 0 } });
  });

  test('openapi: the document of the mode, the same as the node serves, without a database', async () => {
    const { code, out, err } = await run('openapi', {
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing',
    });
    expect([code, err]).toEqual([0, '']);
    const document = JSON.parse(out);
    parseOpenApi(document);
    const served = (await app.client().get('/openapi.json')).body;
    expect({ ...document, servers: null }).toEqual({ ...served, servers: null });
  });

  test('doctor: what is well and what is not with a deployment, by exit code and line', async () => {
    const page = await run(`doctor ${app.url} --json`);
    expect([page.code, page.err]).toEqual([0, '']);
    const names = JSON.parse(page.out).findings.map(({ check }: { check: string }) => check);
    expect(names).toEqual(['https', '/health/live', '/health/ready', '/auth/config', 'headers']);

    const foreign = await run(`doctor ${app.url} --origin https://app.example`);
    expect([foreign.code, foreign.err]).toEqual([1, '2 of 7 checks failed\n']);
    expect(foreign.out).toMatch(/^BAD {2}CORS for https:\/\/app\.example: .*CORS_ORIGINS$/m);
    expect(foreign.out).toMatch(/^BAD {2}sign-in from https:\/\/app\.example: refused with 403/m);
    expect(foreign.out).toMatch(/^ok {3}\/auth\/config: accepts session, issues session$/m);

    const gone = await run('doctor http://127.0.0.1:5');
    expect(gone.code).toBe(1);
    expect(gone.out).toMatch(/^BAD {2}\/health\/live: no answer: .*ECONNREFUSED/m);
    expect((await run('doctor here')).code).toBe(2);

    const pooled = await run(`doctor ${app.url} --json`, { DATABASE_DIRECT_URL: app.database.url });
    const limits = JSON.parse(pooled.out).findings.filter(({ check }: { check: string }) =>
      check.includes('timeout'),
    );
    expect(limits).toHaveLength(3);
    for (const limit of limits)
      expect(limit).toMatchObject({ ok: false, detail: expect.stringMatching(/ALTER ROLE/) });
  });

  test('migrate: an empty database is one that a node can start on, also with DATABASE_MIGRATE=false', async () => {
    const database = await createTestDatabase({ empty: true });
    const refused = await latchkey(database, ['user', 'create', newEmail()]);
    expect([refused.code, refused.out]).toEqual([1, '']);
    const { code, out } = await latchkey(database, ['migrate', '--json'], { DATABASE_MIGRATE: 'false' });
    expect([code, JSON.parse(out)]).toEqual([0, { migrated: true }]);
    expect((await latchkey(database, ['user', 'create', newEmail()])).code).toBe(0);
    await database.drop();
  });
});
