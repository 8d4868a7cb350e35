import { createServer } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { LATCHKEY_MAIN } from '../contenders/index.mjs';
import { PROCESS_ENVIRONMENT, environment } from '../contenders/latchkey/environment.mjs';
import { machineSince, machineTicks } from '../lib/machine.mjs';
import { HttpConnection, requestBytes } from '../lib/http-connection.mjs';
import { NodeProcess, StartFailure } from '../lib/processes.mjs';
import { residentMebibytes } from '../lib/proc.mjs';

const LIMIT_MILLISECONDS = 30_000;

/** From the start of the process to the first good answer; Latchkey by its own way in, to /health/ready. */
export function steps(bench, results) {
  const starters = bench.having(({ id, bypassed }) => id !== 'node-http' && !bypassed);
  const { startRounds } = bench.profile;
  const wanted = bench.profile.quick
    ? starters.filter(({ id }) => id === 'nest-fastify' || id === 'latchkey-session')
    : starters.filter(({ id }) => !/(user|cookie-cache|bearer)$/.test(id));
  return Array.from({ length: startRounds }, (_, round) => round + 1).flatMap((round) =>
    wanted.map((contender) => ({
      label: `cold start, ${round} of ${startRounds}: ${contender.label}`,
      contender,
      seconds: 1.8,
      run: async () => {
        const start = await coldStart(bench, contender);
        (results[contender.id] ??= []).push(start);
        return `${Math.round(start.milliseconds)} ms`;
      },
    })),
  );
}

async function coldStart(bench, contender) {
  const port = await freePort();
  const url = contender.family && bench.data.get(contender.family).database.url;
  const isLatchkey = contender.group === 'latchkey';
  const before = machineTicks();
  const began = performance.now();
  const server = new NodeProcess({
    name: `${contender.id}-start`,
    script: isLatchkey ? LATCHKEY_MAIN : contender.script,
    core: bench.cores.server,
    directory: bench.directory,
    env: isLatchkey
      ? {
          ...PROCESS_ENVIRONMENT,
          ...environment({ databaseUrl: url, secret: bench.secret, mode: contender.mode, port }),
        }
      : {
          PORT: String(port),
          BENCH_SECRET: bench.secret,
          ...(contender.variant && { BENCH_VARIANT: contender.variant }),
          ...(url && { BENCH_DATABASE_URL: url }),
        },
  });
  try {
    const path = isLatchkey ? '/health/ready' : '/';
    await untilAnswered(server, { port, path, ready: isLatchkey });
    return {
      milliseconds: performance.now() - began,
      mebibytes: residentMebibytes(server.pid),
      stolen: machineSince(before).stolen,
    };
  } finally {
    await server.stop();
  }
}

/** A peer without a route at `/` answers 404, which is as good: it listens. */
async function untilAnswered(server, { port, path, ready }) {
  const bytes = requestBytes({ path }, port);
  const connection = new HttpConnection(port);
  let ended = false;
  void server.exited.then(() => (ended = true));
  try {
    for (const until = performance.now() + LIMIT_MILLISECONDS; performance.now() < until && !ended;) {
      const status = await connection.request(bytes).catch(() => 0);
      if (status === 200 || (!ready && status > 0)) return;
      await delay(2);
    }
  } finally {
    connection.close();
  }
  throw new StartFailure(`${server.name} was not ready in time\n${server.logTail()}`);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
