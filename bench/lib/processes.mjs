import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pinnedCommand } from './cores.mjs';

const START_LIMIT_MILLISECONDS = 30_000;
const STOP_LIMIT_MILLISECONDS = 10_000;
/** What has to be ended when we end, however that happens. */
const running = new Set();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A process that could not be started, with the end of what it printed. */
export class StartFailure extends Error {
  name = 'StartFailure';
}

/** A child process of Node, with an IPC channel, a log file of its own, and nothing of our environment but what it needs. */
export class NodeProcess {
  constructor({ name, script, parameters = [], env = {}, core, directory }) {
    this.name = name;
    this.logFile = join(directory, `${name}.log`);
    const log = openSync(this.logFile, 'a');
    const [command, rest] = pinnedCommand(core, process.execPath, [script, ...parameters]);
    // The pid is Node's own: taskset replaces itself.
    this.child = spawn(command, rest, {
      cwd: directory,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production', NO_COLOR: '1', ...env },
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    running.add(this.child);
    this.exited = once(this.child, 'exit').then(([code, signal]) => {
      running.delete(this.child);
      return signal ?? code;
    });
    this.exited.catch(() => running.delete(this.child));
  }

  get pid() {
    return this.child.pid;
  }

  /** The first message that has `key`. @throws StartFailure when it ends or stays silent instead */
  async message(key, limitMilliseconds = START_LIMIT_MILLISECONDS) {
    let timer;
    const message = new Promise((resolve) => {
      const listen = (value) => {
        if (!(key in value)) return;
        this.child.off('message', listen);
        resolve(value);
      };
      this.child.on('message', listen);
    });
    const silence = new Promise((resolve) => {
      timer = setTimeout(resolve, limitMilliseconds, 'said nothing within its time');
    });
    const end = this.exited.then((code) => `ended (${code})`).catch((error) => error.message);
    const outcome = await Promise.race([message, silence, end]);
    clearTimeout(timer);
    if (typeof outcome === 'string') throw new StartFailure(`${this.name}: ${outcome}\n${this.logTail()}`);
    return outcome;
  }

  send(message) {
    this.child.send(message);
  }

  async stop() {
    if (!running.has(this.child)) return;
    this.child.kill('SIGTERM');
    const ended = await Promise.race([
      this.exited.then(() => true),
      delay(STOP_LIMIT_MILLISECONDS, false, { ref: false }),
    ]);
    if (!ended) this.child.kill('SIGKILL');
    await this.exited;
  }

  logTail() {
    return readFileSync(this.logFile, 'utf8').split('\n').slice(-15).join('\n').trim();
  }
}

/** Runs a script to its end and gives the message that it sent. @throws StartFailure */
export async function runScript(options, limitMilliseconds) {
  const script = new NodeProcess(options);
  try {
    return await script.message('done', limitMilliseconds);
  } finally {
    await script.stop();
  }
}
