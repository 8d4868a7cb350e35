// What GET /auth/verify costs beside GET /auth/me, in CPU time of the server process, so that a busy machine does not change the
// figure much: npm run build && node scripts/bench-forward-auth.mjs
// Warm: the credential is remembered, as for all but its first request in a minute. Cold: it never is (the cache is off), so every
// request asks the database, and for verify signs a token.
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environment } from '../bench/contenders/latchkey/environment.mjs';
import { STRATEGIES } from '../dist/src/auth/strategies/index.js';
import { loadConfig } from '../dist/src/config/load-config.js';
import { createApp } from '../dist/src/configure-app.js';
import { EmbeddedPostgres } from '../dist/src/database/embedded-postgres.js';

const ROUNDS = 9;
const CONNECTIONS = 16;
const REQUESTS = { warm: 3000, cold: 600 };
/** What the project promises of a warm one. */
const LIMIT = 0.85;

const [role, databaseUrl, mode, cache] = process.argv.slice(2);
if (role === 'serve') await serve();
else await measureAll();

/** The server, in production and behind a trusted gateway. Answers each message with the CPU time that it has used, in microseconds. */
async function serve() {
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

async function measureAll() {
  const folder = mkdtempSync(join(tmpdir(), 'lk-verify-'));
  const server = await EmbeddedPostgres.start({ directory: join(folder, 'postgres'), log: () => undefined });
  const secret = randomBytes(32).toString('base64');
  try {
    console.log(
      `Node ${process.version}, ${ROUNDS} rounds; microseconds of CPU for one request, and how many verify serves for one me`,
    );
    for (const [name, setting] of [
      ['warm', 'on'],
      ['cold', 'off'],
    ]) {
      for (const each of ['session', 'jwt']) {
        const ratio = await measure(
          `${name} ${each}`,
          server.url('postgres'),
          secret,
          each,
          setting,
          REQUESTS[name],
        );
        if (name === 'warm' && ratio < LIMIT) process.exitCode = 1;
      }
    }
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(label, url, secret, strategy, setting, requests) {
  const child = fork(import.meta.filename, ['serve', url, strategy, setting], {
    env: { ...process.env, BENCH_SECRET: secret },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const next = () => new Promise((resolve) => child.once('message', resolve));
  try {
    const port = await next();
    const credential = await signUp(port, agent);
    const cost = async (path) => {
      child.send('cpu');
      const before = await next();
      const headers = { ...credential, 'x-forwarded-method': 'GET' };
      await Promise.all(
        Array.from({ length: CONNECTIONS }, async () => {
          for (let i = 0; i < requests / CONNECTIONS; i++) await ask(port, agent, 'GET', path, headers);
        }),
      );
      child.send('cpu');
      return ((await next()) - before) / requests;
    };
    const rounds = [];
    for (let round = -2; round < ROUNDS; round++) {
      // In turn, and the first alternates: what the machine does to one it does to the other.
      const paths = round % 2 ? ['/auth/me', '/auth/verify'] : ['/auth/verify', '/auth/me'];
      const costs = {};
      for (const path of paths) costs[path] = await cost(path);
      if (round >= 0) rounds.push({ me: costs['/auth/me'], verify: costs['/auth/verify'] });
    }
    const middle = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
    const ratio = middle(rounds.map(({ me, verify }) => me / verify));
    const [me, verify] = [
      middle(rounds.map((round) => round.me)),
      middle(rounds.map((round) => round.verify)),
    ];
    console.log(
      `${label.padEnd(14)} me ${me.toFixed(0)}, verify ${verify.toFixed(0)}, ratio ${ratio.toFixed(2)}${setting === 'on' ? ` (must be at least ${LIMIT})` : ''}`,
    );
    return ratio;
  } finally {
    agent.destroy();
    child.kill();
  }
}

async function signUp(port, agent) {
  const email = `${randomBytes(8).toString('hex')}@bench.example`;
  const body = JSON.stringify({ email, password: 'a quite unlikely phrase 1' });
  const { headers, text } = await ask(
    port,
    agent,
    'POST',
    '/auth/signup',
    { 'content-type': 'application/json' },
    body,
  );
  const { accessToken } = JSON.parse(text);
  if (accessToken) return { authorization: `Bearer ${accessToken}` };
  return { cookie: headers['set-cookie'].map((cookie) => cookie.split(';')[0]).join('; ') };
}

function ask(port, agent, method, path, headers, body) {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, agent, headers }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += chunk));
      answer.on('end', () => {
        const isWhole = path !== '/auth/verify' || answer.headers['x-auth-token'] !== undefined;
        if (answer.statusCode < 300 && isWhole) resolve({ headers: answer.headers, text });
        else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
