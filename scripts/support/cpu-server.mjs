// A Latchkey in a process of its own, and what a request costs it in CPU time, so that a busy machine does not change the figure much.
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environment } from '../../bench/contenders/latchkey/environment.mjs';
import { STRATEGIES } from '../../dist/src/auth/strategies/index.js';
import { loadConfig } from '../../dist/src/config/load-config.js';
import { createApp } from '../../dist/src/configure-app.js';
import { EmbeddedPostgres } from '../../dist/src/database/embedded-postgres.js';

const CONNECTIONS = 16;

if (process.argv[2] === 'serve') await serve(...process.argv.slice(3));

/** In production and behind a trusted gateway. Answers each message with the CPU time that it has used, in microseconds. */
async function serve(databaseUrl, mode, cache) {
  const variables = { databaseUrl, mode, secret: process.env.BENCH_SECRET };
  const config = loadConfig({
    environment: { ...environment(variables), TRUST_PROXY: '127.0.0.1' },
    directory: tmpdir(),
    strategyNames: Object.keys(STRATEGIES),
  });
  const app = await createApp(config, { cache });
  await app.listen(0, '127.0.0.1');
  process.on('disconnect', () => process.exit());
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send(user + system);
  });
  process.send(app.getHttpServer().address().port);
}

/** Runs `work` with the URL of a PostgreSQL that is gone afterwards. */
export async function withPostgres(work) {
  const folder = mkdtempSync(join(tmpdir(), 'lk-cpu-'));
  const server = await EmbeddedPostgres.start({ directory: join(folder, 'postgres'), log: () => undefined });
  try {
    return await work(server.url('postgres'));
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const middle = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

export class CpuServer {
  #child;
  #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  #port;
  #headers;

  /** Starts one and signs up. `mode`: AUTH_MODE. `cache`: `off` where every request is to ask the database. */
  static async start({ databaseUrl, secret, mode, cache = 'on' }) {
    const server = new CpuServer();
    server.#child = fork(import.meta.filename, ['serve', databaseUrl, mode, cache], {
      env: { ...process.env, BENCH_SECRET: secret },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    server.#port = await server.#next();
    server.#headers = { ...(await server.#signUp()), 'x-forwarded-method': 'GET' };
    return server;
  }

  /** Microseconds of CPU for one `GET` of the path. */
  async cost(path, requests) {
    const before = await this.#used();
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        for (let i = 0; i < requests / CONNECTIONS; i++) await this.#ask('GET', path, this.#headers);
      }),
    );
    return ((await this.#used()) - before) / requests;
  }

  stop() {
    this.#agent.destroy();
    this.#child.kill();
  }

  #next() {
    return new Promise((resolve) => this.#child.once('message', resolve));
  }

  #used() {
    this.#child.send('cpu');
    return this.#next();
  }

  async #signUp() {
    const email = `${randomBytes(8).toString('hex')}@bench.example`;
    const body = JSON.stringify({ email, password: 'a quite unlikely phrase 1' });
    const json = { 'content-type': 'application/json' };
    const { headers, text } = await this.#ask('POST', '/auth/signup', json, body);
    const { accessToken } = JSON.parse(text);
    if (accessToken) return { authorization: `Bearer ${accessToken}` };
    return { cookie: headers['set-cookie'].map((cookie) => cookie.split(';')[0]).join('; ') };
  }

  #ask(method, path, headers, body) {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port: this.#port, method, path, agent: this.#agent, headers },
        (answer) => {
          let text = '';
          answer.on('data', (chunk) => (text += chunk));
          answer.on('end', () => {
            const isWhole = path !== '/auth/verify' || answer.headers['x-auth-token'] !== undefined;
            if (answer.statusCode < 300 && isWhole) resolve({ headers: answer.headers, text });
            else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}
