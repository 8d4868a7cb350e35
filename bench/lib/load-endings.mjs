import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { HttpConnection, requestBytes } from './http-connection.mjs';
import { summary } from './statistics.mjs';

/** Longer than any ending may take to be seen; what is let through after it is counted as never refused. */
const GIVE_UP_MILLISECONDS = 5000;

/**
 * Ends sessions at one node (`ports[0]`), or by SQL when `databaseUrl` is given, and asks the other nodes, which had all of them
 * remembered, until they refuse. Counted from the moment the ending was answered to the moment the refusal was received.
 * `victims`: { sessionId, me, logout } with requests to be made.
 */
export async function runEndings({ ports, victims, parallel, databaseUrl }) {
  const queue = [...victims];
  const sql = databaseUrl && new pg.Pool({ connectionString: databaseUrl, max: parallel });
  const seen = [];
  let late = 0;
  const worker = async () => {
    const nodes = ports.map((port) => ({ port, connection: new HttpConnection(port) }));
    for (let victim = queue.pop(); victim; victim = queue.pop()) {
      for (const { milliseconds, lastAccepted } of await endOne(nodes, victim, sql)) {
        seen.push(milliseconds);
        if (lastAccepted > 1000) late += 1;
      }
    }
    for (const { connection } of nodes) connection.close();
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  await sql?.end();
  return { endings: victims.length, milliseconds: summary(seen), acceptedAfterOneSecond: late };
}

async function endOne([first, ...others], { sessionId, me, logout }, sql) {
  // Twice: the second one is answered from memory.
  for (const node of [first, ...others, ...others]) await ask(node, me, 200);
  if (sql) await sql.query('UPDATE sessions SET ended_at = now() WHERE id = $1', [sessionId]);
  else await ask(first, logout, 204);
  const ended = performance.now();
  return Promise.all(others.map((node) => untilRefused(node, me, ended)));
}

async function untilRefused({ port, connection }, me, ended) {
  const bytes = requestBytes(me, port);
  for (let lastAccepted = 0; ; await delay(1)) {
    const sent = performance.now();
    const status = await connection.request(bytes);
    const milliseconds = performance.now() - ended;
    if (status === 401) return { milliseconds, lastAccepted };
    if (status !== 200) throw new Error(`a node answered ${status} to an ended session`);
    lastAccepted = sent - ended;
    if (lastAccepted > GIVE_UP_MILLISECONDS) return { milliseconds: Infinity, lastAccepted };
  }
}

async function ask({ port, connection }, request, expected) {
  const status = await connection.request(requestBytes(request, port));
  if (status !== expected) {
    throw new Error(`${request.method ?? 'GET'} ${request.path} answered ${status} instead of ${expected}`);
  }
}
