import { performance } from 'node:perf_hooks';
import { HttpConnection } from './http-connection.mjs';
import { summary } from './statistics.mjs';

/**
 * Sends requests and measures. `requests`: bytes, sent in turn by all connections together.
 * Without `rate` each connection sends as soon as it is answered (closed loop: how much the server can do); with `rate` so many a second
 * are sent whatever the server does, and a request that finds no free connection waits on the clock (open loop: what users see).
 * Ends after `seconds`, or after `count` requests.
 */
export async function runLoad({
  port,
  requests,
  connections,
  seconds,
  count = Infinity,
  rate,
  expect = 200,
}) {
  const pool = Array.from({ length: connections }, () => new HttpConnection(port));
  const run = new Run(requests, count, expect);
  const cpu = process.cpuUsage();
  const start = performance.now();
  const end = seconds === undefined ? Infinity : start + seconds * 1000;
  try {
    await (rate === undefined ? closedLoop(pool, run, end) : openLoop(pool, run, start, end, rate));
  } finally {
    for (const connection of pool) connection.close();
  }
  const elapsed = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    requests: run.latencies.length,
    seconds: elapsed,
    perSecond: run.latencies.length / elapsed,
    latency: summary(run.latencies),
    failures: run.failures,
    loadCpuSeconds: (user + system) / 1e6,
  };
}

class Run {
  /** Milliseconds. */
  latencies = [];
  /** How many answers had another status than expected, or none. */
  failures = {};
  #next = 0;

  constructor(requests, count, expect) {
    this.requests = requests;
    this.left = count;
    this.expect = expect;
  }

  /** Sends the next request; `done` is called when it is over. `since`: when it should have been sent. */
  send(connection, since, done) {
    this.left -= 1;
    const bytes = this.requests[this.#next];
    this.#next = (this.#next + 1) % this.requests.length;
    connection.send(
      bytes,
      (status) => {
        const now = performance.now();
        if (status === this.expect) this.latencies.push(now - since);
        else this.#fail(status);
        done(now);
      },
      () => {
        this.#fail('connection');
        done(performance.now());
      },
    );
  }

  #fail(what) {
    this.failures[what] = (this.failures[what] ?? 0) + 1;
  }
}

function closedLoop(pool, run, end) {
  return Promise.all(
    pool.map(
      (connection) =>
        new Promise((resolve) => {
          const next = (now) => {
            if (now >= end || run.left <= 0) resolve();
            else run.send(connection, now, next);
          };
          next(performance.now());
        }),
    ),
  );
}

async function openLoop(pool, run, start, end, rate) {
  const idle = [...pool];
  const waiting = [];
  let busy = 0;
  let sent = 0;
  await new Promise((resolve) => {
    const dispatch = (since) => {
      const connection = idle.pop();
      if (!connection) return void waiting.push(since);
      busy += 1;
      run.send(connection, since, () => {
        busy -= 1;
        idle.push(connection);
        if (waiting.length > 0) dispatch(waiting.shift());
        else if (busy === 0 && performance.now() >= end) resolve();
      });
    };
    const tick = () => {
      const now = performance.now();
      if (now >= end) {
        waiting.length = 0;
        if (busy === 0) resolve();
        return;
      }
      for (; sent < ((now - start) / 1000) * rate; sent++) dispatch(now);
      setTimeout(tick, 1);
    };
    tick();
  });
}
