import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseSetCookie } from '../support/cookie-jar.js';
import { eventually, isRunning } from '../support/processes.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';
import { PASSWORD } from '../support/test-client.js';
import { LatchkeyProcess, newFolder, postgresPid } from './latchkey-process.js';
import { freePort } from '../support/free-port.mjs';

const SECRET = randomBytes(32).toString('base64');
const CANARY = 'hunter2-canary';
/** Processor time of a start, which a busy machine does not change. On an idle one the start takes about as long. */
const START_CPU_SECONDS = 4;
jest.setTimeout(120_000);

const folder = newFolder();
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
  folder.remove();
});

/** Starts it and waits until it has given up. */
async function refused(
  environment: Readonly<Record<string, string>>,
  cwd = folder.path,
): Promise<{ lines: string[]; code: number | string | null }> {
  const latchkey = new LatchkeyProcess(cwd, environment);
  const code = await latchkey.exited;
  expect(latchkey.output).not.toContain(CANARY);
  expect(latchkey.output).not.toMatch(/^\s+at /m);
  return { lines: latchkey.lines, code };
}

describe('BT what is wrong stops the start: exit code 1, a line for each variable, no secret', () => {
  test('BT01 production needs its own mode, secret, database and origin', async () => {
    const { lines, code } = await refused({ NODE_ENV: 'production' });
    expect(code).toBe(1);
    expect(lines.map((line) => line.split(':')[0])).toEqual(
      expect.arrayContaining(['AUTH_MODE', 'APP_SECRET', 'DATABASE_URL', 'PUBLIC_ORIGIN']),
    );
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toMatch(/required in production; .*allowed: /);
  });

  test('BT01 BT04 BT05 BT07 BT08 BT10 MC09 all at once, each with what is allowed', async () => {
    const { lines, code } = await refused({
      NODE_ENV: 'production',
      AUTH_MODE: 'Session',
      APP_SECRET: `changeme-${CANARY}`,
      DATABASE_URL: `postgres://latchkey:${CANARY}@127.0.0.1/latchkey`,
      PUBLIC_ORIGIN: 'http://auth.example.com',
      CORS_ORIGINS: '*',
      COOKIE_SAMESITE: 'none',
      COOKIE_DOMAIN: 'example.com',
      SESSION_IDLE_TTL: '9h',
      JWT_ACCESS_TTL: '15mm',
      JWT_REFRESH_GRACE: '0s',
      PASSWORD_HASH_QUEUE: '-1',
      PASSWORD_HASH_NICE: '20',
      AUTH_MODES: 'session',
      THROTTLE: 'off',
    });
    expect(code).toBe(1);
    const named = [
      'AUTH_MODE',
      'APP_SECRET',
      'PUBLIC_ORIGIN',
      'CORS_ORIGINS',
      'COOKIE_SAMESITE',
      'COOKIE_DOMAIN',
    ].concat([
      'SESSION_IDLE_TTL',
      'JWT_ACCESS_TTL',
      'JWT_REFRESH_GRACE',
      'PASSWORD_HASH_QUEUE',
      'PASSWORD_HASH_NICE',
      'AUTH_MODES',
      'THROTTLE',
    ]);
    expect([...new Set(lines.map((line) => line.split(':')[0]))].sort()).toEqual(named.sort());
    for (const line of lines) expect(line).toMatch(/^[A-Z_]+: .+/);
  });

  test('EL03 DEBUG, with which packages print the cookies that they set', async () => {
    const settings = {
      NODE_ENV: 'production',
      AUTH_MODE: 'session',
      APP_SECRET: SECRET,
      DATABASE_URL: database.url,
      PUBLIC_ORIGIN: 'https://auth.example.com',
    };
    for (const value of ['*', 'express-session', 'pg, express*']) {
      const { lines, code } = await refused({ ...settings, DEBUG: value });
      expect([code, lines.length]).toEqual([1, 1]);
      expect(lines[0]).toMatch(/^DEBUG: makes packages print session cookies, .*allowed: /);
    }
  });

  test('BT10 a name in a .env file that nobody knows, by file', async () => {
    const own = newFolder();
    writeFileSync(join(own.path, '.env'), 'AUTH_MOED=jwt\nPORT=0\n');
    const { lines, code } = await refused({ DATABASE_URL: database.url }, own.path);
    expect([code, lines.length]).toEqual([1, 1]);
    expect(lines[0]).toContain('AUTH_MOED (.env)');
    own.remove();
  });

  test('BT11 a database that refuses us', async () => {
    const url = database.url.replace(/(\/)[^/?]*(\?|$)/, '$1no_such_database$2');
    const { lines, code } = await refused({ DATABASE_URL: url, APP_SECRET: SECRET, PORT: '0' });
    expect(code).toBe(1);
    expect(lines.at(-1)).toMatch(
      /^the database does not take our connection: .*no_such_database.* \(see DATABASE_URL\)$/,
    );
  });

  test('BT11 a database without tables, and nobody may make them', async () => {
    const empty = await createTestDatabase({ empty: true });
    const { lines, code } = await refused({
      DATABASE_URL: empty.url,
      DATABASE_MIGRATE: 'false',
      APP_SECRET: SECRET,
      PORT: '0',
    });
    expect([code, lines.length]).toEqual([1, 1]);
    expect(lines[0]).toMatch(/lacks \d+ migrations .*DATABASE_MIGRATE/);
    await empty.drop();
  });

  test('a port that another process has', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const { lines, code } = await refused({
      DATABASE_URL: database.url,
      APP_SECRET: SECRET,
      PORT: `${port}`,
    });
    expect(code).toBe(1);
    // The log comes by another pipe, and may come later.
    expect(lines).toContain(`PORT: ${port} is in use by another process; stop it or choose another PORT`);
    server.close();
  });
});

test('a database that is not there yet is waited for, with a line that says so, and can be given up', async () => {
  const port = await freePort();
  const url = `postgres://latchkey:${CANARY}@127.0.0.1:${port}/latchkey`;
  const latchkey = new LatchkeyProcess(folder.path, { DATABASE_URL: url, APP_SECRET: SECRET, PORT: '0' });
  await latchkey.says(
    /the database does not take our connection yet: .*ECONNREFUSED.*; trying for another \d+ s/,
  );
  expect(latchkey.output).not.toContain(CANARY);
  expect(await latchkey.stop()).not.toBe(0);
});

test('--help says what to do, and starts nothing', async () => {
  const latchkey = new LatchkeyProcess(folder.path, { NODE_ENV: 'production' }, ['--help']);
  expect(await latchkey.exited).toBe(0);
  expect(latchkey.output).toContain('npm start');
  expect(latchkey.output).toContain('AUTH_MODE=jwt');
});

describe('a newcomer, with nothing but a folder', () => {
  const home = newFolder();
  const dataDir = join(home.path, '.latchkey');
  const paste = (lines: readonly string[]): string =>
    execFileSync('bash', ['-c', lines.join('\n')], { cwd: home.path, encoding: 'utf8' });
  const running: LatchkeyProcess[] = [];
  let email = '';

  function start(environment: Readonly<Record<string, string>> = {}): LatchkeyProcess {
    const latchkey = new LatchkeyProcess(home.path, { PORT: '0', ...environment });
    running.push(latchkey);
    return latchkey;
  }
  afterAll(async () => {
    for (const latchkey of running) await latchkey.stop('SIGKILL');
    home.remove();
  });

  test('the first start makes a database, and shows two lines that work when pasted', async () => {
    const latchkey = start();
    await latchkey.says(/Try:\n.+\n.+\n/);
    expect(latchkey.output).toContain('auth mode      session ');
    expect(latchkey.output).toContain(dataDir);
    expect(latchkey.curlLines).toHaveLength(2);
    const [user] = paste(latchkey.curlLines)
      .split('\n')
      .slice(-1)
      .map((line) => JSON.parse(line.slice(line.lastIndexOf('{"id"'))));
    email = user.email;
    expect(user).toMatchObject({ roles: ['user'], name: null });
    expect((await fetch(`${latchkey.url}/docs`)).status).toBe(200);
  });

  test('SIGTERM ends it with 0, and its PostgreSQL with it', async () => {
    const pid = postgresPid(dataDir);
    expect(isRunning(pid)).toBe(true);
    expect(await running[0]?.stop()).toBe(0);
    expect(isRunning(pid)).toBe(false);
  });

  test('the second start is quick, and has kept users, sessions and secret', async () => {
    const begun = performance.now();
    const latchkey = start();
    await latchkey.says(/Latchkey is up/);
    const milliseconds = Math.round(performance.now() - begun);
    process.stdout.write(
      `\nwarm start to ready: ${milliseconds} ms, ${latchkey.cpuSeconds} s of processor time\n`,
    );
    expect(latchkey.cpuSeconds).toBeLessThan(START_CPU_SECONDS);
    const me = paste([`curl -s -b cookies.txt ${latchkey.url}/auth/me`]);
    expect(JSON.parse(me)).toMatchObject({ email });
  });

  test('FT32 a second process on the same folder is refused; the first one goes on', async () => {
    const second = start();
    expect(await second.exited).toBe(1);
    expect(second.lines.at(-1)).toMatch(/is in use by another Latchkey \(pid \d+\).* DATA_DIR /);
    expect((await fetch(`${running[1]?.url}/health/ready`)).status).toBe(200);
    expect(await running[1]?.stop()).toBe(0);
  });

  test('MC07 AUTH_MODE=jwt is the same with tokens; a cookie that is left over is nobody', async () => {
    const latchkey = start({ AUTH_MODE: 'jwt' });
    await latchkey.says(/Try:\n.+\n.+\n/);
    expect(latchkey.output).toContain('auth mode      jwt ');
    expect(JSON.parse(paste(latchkey.curlLines))).toMatchObject({ roles: ['user'], name: null });
    const left = JSON.parse(paste([`curl -s -b cookies.txt ${latchkey.url}/auth/me`]));
    expect([left.status, left.code]).toEqual([401, 'credential_missing']);
    expect(await latchkey.stop('SIGINT')).toBe(0);
  });
});

/** What a production start needs, and no more. */
function production(port: number): Record<string, string> {
  return {
    NODE_ENV: 'production',
    AUTH_MODE: 'session,jwt',
    APP_SECRET: SECRET,
    DATABASE_URL: database.url,
    PUBLIC_ORIGIN: 'https://auth.example.com',
    HOST: '127.0.0.1',
    PORT: `${port}`,
  };
}

test('EL03 production, among flags of development: a real database, secure cookies, no banner, no docs, a log for machines that holds no secret', async () => {
  const port = await freePort();
  const home = newFolder();
  const latchkey = new LatchkeyProcess(home.path, {
    ...production(port),
    LOG_LEVEL: 'debug',
    // What the shell of a developer, or the base image of somebody, brings along.
    ...{
      DEBUG: 'false',
      FORCE_COLOR: '1',
      npm_lifecycle_event: 'start:dev',
      NODE_OPTIONS: '--enable-source-maps',
    },
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually(
    () =>
      fetch(`${url}/health/ready`).then(
        ({ status }) => status === 200,
        () => false,
      ),
    60_000,
  );
  const response = await fetch(`${url}/auth/signup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: 'https://auth.example.com' },
    body: JSON.stringify({ email: 'first@example.com', password: PASSWORD }),
  });
  expect(response.status).toBe(201);
  const [session, csrf] = response.headers.getSetCookie().map(parseSetCookie);
  expect(session).toMatchObject({
    name: '__Host-sid',
    attributes: { path: '/', httponly: true, secure: true, samesite: 'Lax' },
  });
  expect(Object.keys(session!.attributes).sort()).toEqual(['httponly', 'path', 'samesite', 'secure']);
  expect(csrf).toMatchObject({ name: 'CSRF-TOKEN', attributes: { path: '/', secure: true } });
  expect(response.headers.get('strict-transport-security')).toContain('max-age=63072000');
  for (const path of ['/docs', '/openapi.json', '/metrics'])
    expect((await fetch(url + path)).status).toBe(404);
  for (const [path, init] of [
    ['/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' }],
    ['/auth/sessions/%', {}],
  ] as const) {
    const refusal = await fetch(url + path, init);
    expect(refusal.status).toBe(400);
    expect(await refusal.text()).not.toMatch(/\bat |\.[jt]s\b|stack|node_modules/);
  }
  expect(readdirSync(home.path)).toEqual([]);
  home.remove();

  expect(await latchkey.stop()).toBe(0);
  expect(latchkey.output).not.toContain('Latchkey is up');
  for (const line of latchkey.lines) expect(JSON.parse(line)).toHaveProperty('msg');
  for (const secret of [PASSWORD, SECRET, session!.value, csrf!.value, decodeURIComponent(session!.value)])
    expect(latchkey.output).not.toContain(secret);
});

test('EL03 the image is production by itself, and starts without a flag of development', () => {
  const [, runtime = ''] = readFileSync('Dockerfile', 'utf8').split(/^FROM \S+ AS runtime$/m);
  const instructions = runtime.replaceAll(/^#.*\n/gm, '');
  expect(instructions).toMatch(/^ENV NODE_ENV=production /m);
  expect(instructions.match(/NODE_ENV|NODE_OPTIONS|DEBUG|DOCS|inspect|LOG_|THROTTLE/g)).toEqual(['NODE_ENV']);
  expect(instructions.trimEnd().split('\n').at(-1)).toBe(
    'CMD ["node", "--max-semi-space-size=32", "dist/src/main.js"]',
  );
});

test('FT29 an event loop that stands still for half a second: not ready for a moment, alive all the time', async () => {
  const port = await freePort();
  // Stands still when it is told to: what a bad regular expression or a huge document would do.
  const stall = `process.on('SIGUSR2', () => { for (const end = Date.now() + 500; Date.now() < end;); })`;
  const latchkey = new LatchkeyProcess(folder.path, {
    ...production(port),
    NODE_OPTIONS: `--import="data:text/javascript,${encodeURIComponent(stall)}"`,
  });
  const ask = (path: string): Promise<number> =>
    fetch(`http://127.0.0.1:${port}/health/${path}`).then(
      ({ status }) => status,
      () => 0,
    );
  const isReady = async (): Promise<boolean> => (await ask('ready')) === 200;
  try {
    await eventually(isReady, 60_000);
    // Again, should this process have been too slow to see it.
    await eventually(async () => {
      latchkey.signal('SIGUSR2');
      const [ready, live] = [await ask('ready'), await ask('live')];
      expect(live).toBe(200);
      return ready === 503;
    }, 60_000);
    await eventually(isReady, 60_000);
  } finally {
    expect(await latchkey.stop()).toBe(0);
  }
  expect(latchkey.output).toMatch(/"milliseconds":\d{3,},"msg":"the event loop stood still"/);
});
