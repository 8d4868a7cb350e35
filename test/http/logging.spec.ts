import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger as Nest } from '@nestjs/common';
import { transformFileSync } from '@swc/core';
import { loadConfig } from '../../src/config/load-config.js';
import { LogOutput } from '../../src/http/log-output.js';
import { createLogger } from '../../src/http/logger.js';
import { NestLogger } from '../../src/http/nest-logger.js';
import { call, post } from './support/expect-problem.js';
import { type HttpApp, startHttpApp } from './support/http-app.js';

function configOf(environment: Record<string, string>) {
  return loadConfig({
    environment: { NODE_ENV: 'test', LOG_FORMAT: 'json', ...environment },
    directory: tmpdir(),
    strategyNames: ['session'],
  });
}

function loggerInto(lines: string[], environment: Record<string, string> = {}) {
  return createLogger(configOf(environment), { write: (line) => void lines.push(line) });
}

describe('what a request leaves in the log', () => {
  let quiet: HttpApp;
  let debug: HttpApp;

  beforeAll(async () => {
    quiet = await startHttpApp();
    debug = await startHttpApp({ LOG_LEVEL: 'debug' });
  });

  afterAll(async () => {
    await quiet.app.close();
    await debug.app.close();
  });

  it('nothing, while all goes well or the client is wrong', async () => {
    await call(`${quiet.url}/auth/me`);
    await call(`${quiet.url}/nope`);
    await post(`${quiet.url}/auth/login`, '{');
    expect(quiet.log).toEqual([]);
  });

  it('a line for a 5xx', async () => {
    const { headers } = await call(`${quiet.url}/faults/throw?token=canary`);
    const answered = quiet.log.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'answered');
    expect(answered).toMatchObject({
      level: 50,
      requestId: headers.get('x-request-id'),
      method: 'GET',
      path: '/faults/throw',
      status: 500,
    });
  });

  it('EL06 at debug one for each, without query, headers or body', async () => {
    await call(`${debug.url}/auth/me?token=canary`, {
      headers: { cookie: 'sid=canary', authorization: 'Bearer canary' },
    });
    await call(`${debug.url}/nope?token=canary`);
    await post(`${debug.url}/auth/login`, '{"email":"canary","password":"canary"}');
    await post(`${debug.url}/auth/login`, '{"password":"canary"');
    const lines = debug.log.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'answered');
    expect(lines.map(({ path, status }) => [path, status])).toEqual([
      ['/auth/me', 200],
      ['/nope', 404],
      ['/auth/login', 200],
      ['/auth/login', 400],
    ]);
    expect(debug.log.join('')).not.toContain('canary');
  });
});

describe('the second net', () => {
  it('EL06 secrets that somebody logs after all do not come out', () => {
    const lines: string[] = [];
    const secrets = {
      password: 'canary',
      authorization: 'canary',
      'set-cookie': 'canary',
      refreshToken: 'canary',
    };
    loggerInto(lines).info(
      { ...secrets, body: secrets, headers: { cookie: 'canary', 'x-csrf-token': 'canary' } },
      'x',
    );
    expect(lines.join('')).not.toContain('canary');
    expect(lines.join('')).toContain('[secret]');
  });

  it('an error comes out with its causes, and without what a driver hangs on it', () => {
    const lines: string[] = [];
    const cause = Object.assign(new Error('duplicate key'), {
      code: '23505',
      detail: 'Key (email)=(canary)',
    });
    const err = Object.assign(new Error('query failed', { cause }), {
      parameters: ['canary'],
      query: 'canary',
    });
    loggerInto(lines).error({ err }, 'x');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      err: { type: 'Error', message: 'query failed', cause: { message: 'duplicate key', code: '23505' } },
    });
    expect(lines[0]).not.toContain('canary');
    loggerInto(lines).error({ err: 'a string' }, 'x');
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ err: { type: 'string', message: 'a string' } });
  });

  it('an error that is its own cause ends', () => {
    const lines: string[] = [];
    const err = new Error('round');
    err.cause = err;
    loggerInto(lines).error({ err }, 'x');
    expect(lines).toHaveLength(1);
  });
});

it('pretty is for people', () => {
  const lines: string[] = [];
  loggerInto(lines, { LOG_FORMAT: 'pretty' }).warn({ requestId: 'abc' }, 'look here');
  expect(lines.join('')).toMatch(/WARN.*look here.*abc/);
});

it("Nest's log comes out in ours; its news about modules only at debug", () => {
  const lines: string[] = [];
  const logger = new NestLogger(loggerInto(lines));
  Nest.overrideLogger(logger);
  logger.log('Mapped {/auth/me, GET} route', 'RouterExplorer');
  new Nest('Pruner').log('pruned 5 rows');
  new Nest('Pruner').error('failed', 'Error: x\n    at y');
  new Nest('Pruner').error(new Error('thrown'));
  const parsed = lines.map((line) => JSON.parse(line));
  expect(parsed).toMatchObject([
    { level: 30, context: 'Pruner', msg: 'pruned 5 rows' },
    { level: 50, context: 'Pruner', msg: 'failed', stack: 'Error: x\n    at y' },
    { level: 50, context: 'Pruner', err: { message: 'thrown' } },
  ]);
});

describe('FT31 a log that nobody reads stops nothing', () => {
  /** Logs 0.9 MB, or as many lines of 300 characters as it is told, then answers pings until it is told to go. */
  const CHATTY = `
    import { openStandardOutput } from './log-output.mjs';
    const output = openStandardOutput();
    const lines = Number(process.argv[3] ?? 3000);
    for (let i = 0; i < lines; i += 1) output.write('a line ' + 'x'.repeat(300) + '\\n');
    process.on('message', (message) => {
      output.write('pinged\\n');
      if (process.argv[2] === 'console') console.log('by the console');
      if (message === 'ping') process.send('pong');
      else process.exit(7);
    });
    process.send('ready');`;
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'log-'));
    const source = join(import.meta.dirname, '../../src/http/log-output.ts');
    const { code } = transformFileSync(source, {
      swcrc: false,
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    });
    writeFileSync(join(directory, 'log-output.mjs'), code);
    writeFileSync(join(directory, 'chatty.mjs'), CHATTY);
  });

  afterAll(() => rmSync(directory, { recursive: true }));

  function start(stdout: number, option = '', lines = 3000): ChildProcess {
    return spawn(process.execPath, [join(directory, 'chatty.mjs'), option, String(lines)], {
      stdio: ['ignore', stdout, 'inherit', 'ipc'],
    });
  }

  /** A pipe whose reader, `reader`, never reads. */
  function stuckPipe(name: string) {
    const path = join(directory, name);
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { reader, writer: openSync(path, constants.O_WRONLY) };
  }

  /** A log into a pipe of which `reader` is the other end, until `end`: less than a test may take. */
  function logInto(name: string) {
    const { reader, writer } = stuckPipe(name);
    const fd = openSync(join(directory, name), constants.O_WRONLY | constants.O_NONBLOCK);
    closeSync(writer);
    let isOpen = true;
    const closeLog = (): void => {
      if (isOpen) closeSync(fd);
      isOpen = false;
    };
    const late = setTimeout(closeLog, 25_000);
    const end = (): void => {
      clearTimeout(late);
      closeLog();
      closeSync(reader);
    };
    return { reader, output: new LogOutput(fd), end };
  }

  /** What comes until it is enough, or nobody has the pipe open for writing. */
  async function readUntil(reader: number, isEnough: (text: string) => boolean): Promise<string> {
    const buffer = Buffer.alloc(65_536);
    let text = '';
    while (!isEnough(text)) {
      try {
        const length = readSync(reader, buffer);
        if (length === 0) break;
        text += buffer.toString('latin1', 0, length);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    return text;
  }

  async function expectAlive(child: ChildProcess): Promise<void> {
    await once(child, 'message');
    for (let i = 0; i < 3; i += 1) {
      const before = performance.now();
      child.send('ping');
      expect(await once(child, 'message')).toContain('pong');
      expect(performance.now() - before).toBeLessThan(1000);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    child.send('go');
    expect((await once(child, 'exit'))[0]).toBe(7);
  }

  it('a pipe that is full', async () => {
    const { reader, writer } = stuckPipe('full');
    await expectAlive(start(writer));
    closeSync(reader);
    closeSync(writer);
  });

  it('a reader that comes late gets what has waited, and no more of it waits than a megabyte', async () => {
    for (const [name, lines, atMost] of [
      ['late', 3000, 3000],
      ['too-late', 8000, 4000],
    ] as const) {
      const { reader, writer } = stuckPipe(name);
      const child = start(writer, '', lines);
      closeSync(writer);
      await once(child, 'message');
      await new Promise((resolve) => setTimeout(resolve, 200));
      const linesIn = (text: string): number => text.match(/a line x+\n/g)?.length ?? 0;
      child.send('ping');
      const text = await readUntil(reader, (soFar) => linesIn(soFar) >= 3000);
      // It goes when it has been heard: whoever is killed before takes along what waits.
      child.send('go');
      const whole = linesIn(text + (await readUntil(reader, () => false)));
      expect(whole).toBeGreaterThanOrEqual(3000);
      expect(whole).toBeLessThanOrEqual(atMost);
    }
  });

  it('what was dropped is told of, when there is room again', async () => {
    const { reader, output, end } = logInto('told');
    const logger = createLogger(configOf({ LOG_LEVEL: 'info' }), output);
    const linesOf = (text: string) => text.split('\n').slice(0, -1);
    const toldIn = (text: string) => linesOf(text).filter((line) => line.includes('log lines were dropped'));
    let text = '';
    for (const round of [1, 2]) {
      for (let i = 0; i < 8000; i += 1) logger.info({ round }, 'x'.repeat(200));
      await new Promise((resolve) => setTimeout(resolve, 250));
      text += await readUntil(reader, (more) => toldIn(more).length > 0);
      const told = toldIn(text);
      expect(told).toHaveLength(round);
      const passed = linesOf(text).length - round;
      expect(passed).toBeLessThan(round * 8000);
      expect(JSON.parse(told.at(-1) ?? '')).toMatchObject({
        level: 40,
        linesSinceStart: round * 8000 - passed,
      });
    }
    logger.info('the last');
    text += await readUntil(reader, (more) => more.includes('the last'));
    expect(toldIn(text)).toHaveLength(2);
    end();
  });

  it('a reader that keeps up loses nothing, though the pipe is full again and again', async () => {
    const { reader, output, end } = logInto('fast');
    const [pieces, piece] = [100, 'x'.repeat(99).concat('\n').repeat(400)];
    let arrived = 0;
    const read = readUntil(reader, ({ length }) => (arrived = length) >= pieces * piece.length);
    const start = performance.now();
    for (let i = 0; i < pieces; i += 1) {
      output.write(piece);
      // The reader keeps up: what waits stays far from the megabyte that may.
      do await new Promise((resolve) => setTimeout(resolve, 10));
      while ((i + 1) * piece.length - arrived > 500_000);
    }
    expect((await read).length).toBe(pieces * piece.length);
    // 4 MB in little more than a second; a pipe that is tried every 100 ms takes six.
    expect(performance.now() - start).toBeLessThan(4_000);
    end();
  });

  it('a pipe whose reader is gone', async () => {
    const { reader, writer } = stuckPipe('gone');
    const child = start(writer, 'console');
    closeSync(reader);
    closeSync(writer);
    await expectAlive(child);
  });

  it('a disk that is full', async () => {
    const full = openSync('/dev/full', 'w');
    await expectAlive(start(full));
    closeSync(full);
  });

  const onLinux = process.platform === 'linux' ? it : it.skip;
  onLinux('many lines are few writes: a tenth of a second together, sooner from 64 KB on', async () => {
    const busy = join(directory, 'busy.mjs');
    writeFileSync(
      busy,
      `
      import { fstatSync, readFileSync } from 'node:fs';
      import { setTimeout as delay } from 'node:timers/promises';
      import { openStandardOutput } from './log-output.mjs';
      const output = openStandardOutput();
      const writes = () => Number(/syscw: (\\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))[1]);
      const [before, end] = [writes(), performance.now() + 1000];
      let lines = 0;
      for (; performance.now() < end; lines += 1) {
        output.write('a line\\n');
        await delay(2);
      }
      const done = { lines, writes: writes() - before };
      // What fills a pipe, each time as soon as the file has the last of it: a slow disk may hold up one, not half of them.
      const waits = [];
      for (let turn = 0; turn < 15; turn += 1) {
        const [start, size] = [performance.now(), fstatSync(1).size];
        for (let i = 0; i < 300; i += 1) output.write('another ' + 'x'.repeat(300) + '\\n');
        while (fstatSync(1).size < size + 300 * 309) await delay(1);
        waits.push(performance.now() - start);
      }
      done.wait = waits.toSorted((a, b) => a - b)[7];
      process.send(done);
      process.disconnect();`,
    );
    const path = join(directory, 'busy-log');
    const file = openSync(path, 'w');
    const child = spawn(process.execPath, [busy], { stdio: ['ignore', file, 'inherit', 'ipc'] });
    const ended = once(child, 'exit');
    const [{ lines, writes, wait }] = (await once(child, 'message')) as [
      Record<'lines' | 'writes' | 'wait', number>,
    ];
    await ended;
    closeSync(file);
    // A job of the pool is up to three: the line, and what wakes the loop.
    expect(writes).toBeLessThanOrEqual(3 * 12);
    expect(lines).toBeGreaterThan(2 * writes);
    expect(wait).toBeLessThan(50);
    const text = readFileSync(path, 'utf8');
    expect(text.match(/a line\n/g)).toHaveLength(lines);
    expect(text.match(/another x+\n/g)).toHaveLength(15 * 300);
  });

  it('a file gets every line, the last before the exit included', async () => {
    const path = join(directory, 'log');
    const file = openSync(path, 'w');
    await expectAlive(start(file));
    closeSync(file);
    const text = readFileSync(path, 'utf8');
    expect(text.match(/a line x+\n/g)).toHaveLength(3000);
    expect(text.match(/pinged\n/g)).toHaveLength(4);
  });
});
