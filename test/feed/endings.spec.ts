import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { SessionsService } from '../../src/sessions/sessions.service.js';
import { LatchkeyProcess, newFolder } from '../boot/latchkey-process.js';
import { freePort } from '../support/free-port.mjs';
import { eventually } from '../support/processes.js';
import { type QuickSession, openSession } from '../support/quick-sessions.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { TEST_SECRET, TestApp } from '../support/test-app.js';

// Three nodes, two of them processes of their own, and everything that goes wrong in a bad night. How many sessions are ended:
//   LATCHKEY_ROUNDS=5000 npm test -- test/feed/endings.spec.ts

/** What contract 5 rule 4 allows. */
const LATEST_MILLISECONDS = 1000;
const ROUNDS = Number(process.env.LATCHKEY_ROUNDS ?? 200);
/** Sessions that are ended at the same time. */
const BATCH = 40;
const ORIGIN = 'http://localhost:3000';

const folder = newFolder();
let a: TestApp;
let others: { readonly process: LatchkeyProcess; readonly url: string }[];
/** Between the last node and its database. */
let network: TcpProxy;
let userId: string;

beforeAll(async () => {
  a = await TestApp.start({ mode: 'session,jwt', env: { SESSION_MAX_PER_USER: '1000' } });
  network = await TcpProxy.before(a.database.url);
  others = await Promise.all(
    [a.database.url, network.through(a.database.url)].map(async (database) => {
      const port = await freePort();
      const process = new LatchkeyProcess(folder.path, {
        NODE_ENV: 'test',
        AUTH_MODE: 'session,jwt',
        APP_SECRET: TEST_SECRET,
        DATABASE_URL: database,
        PORT: String(port),
        PUBLIC_ORIGIN: ORIGIN,
        SESSION_MAX_PER_USER: '1000',
      });
      await process.says(/Latchkey is up/);
      return { process, url: `http://127.0.0.1:${port}` };
    }),
  );
  userId = (await a.client().signup()).body.user.id;
}, 120_000);
afterAll(async () => {
  for (const { process } of others) await process.stop();
  await network.close();
  await a.close();
  folder.remove();
});

const nodes = (): string[] => [a.url, ...others.map(({ url }) => url)];

/** The status; 0 when there was no answer, as of a connection that was cut. */
async function ask(node: string, { headers }: QuickSession): Promise<number> {
  return fetch(`${node}/auth/me`, { headers, signal: AbortSignal.timeout(20_000) }).then(
    ({ status }) => status,
    () => 0,
  );
}

/** Tries again until it works: what is being broken may break this, too. */
async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries > 200) throw error;
      await delay(20);
    }
  }
}

async function logOut(node: string, { headers }: QuickSession): Promise<void> {
  const { status } = await fetch(`${node}/auth/logout`, {
    method: 'POST',
    headers: { ...headers, origin: ORIGIN },
  });
  // 401: an earlier try had ended it, and its answer was lost.
  if (status !== 204 && status !== 401) throw new Error(`logout: ${status}`);
}

/** The transaction is open for almost as long as any other one may be, and what it writes is older than what others commit meanwhile. */
async function endLate(id: string): Promise<void> {
  const client = new pg.Client({ connectionString: a.database.url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query('UPDATE sessions SET ended_at = coalesce(ended_at, now()) WHERE id = $1', [id]);
    await delay(1500);
    await client.query('COMMIT');
  } finally {
    await client.end().catch(() => undefined);
  }
}

const ENDINGS: ((session: QuickSession) => Promise<unknown>)[] = [
  (session) => logOut(others[0]?.url ?? '', session),
  ({ id }) => a.get(SessionsService).end([id], 'logout'),
  ({ id }) => a.rows('UPDATE sessions SET ended_at = coalesce(ended_at, now()) WHERE id = $1', [id]),
  ({ id }) => a.rows('DELETE FROM sessions WHERE id = $1', [id]),
  ({ id }) => a.rows('DELETE FROM credentials WHERE session_id = $1', [id]),
  ({ id }) => endLate(id),
];

/** What happens while a batch of sessions is ended; gives what puts things right again. */
const TROUBLES: Record<string, () => () => Promise<void> | void> = {
  'nothing else happens': () => () => undefined,
  'connections are killed': () => {
    const timer = setInterval(() => {
      const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'latchkey' AND random() < 0.3`;
      a.rows(kill).catch(() => undefined);
    }, 200);
    return () => clearInterval(timer);
  },
  'the connections of a node are frozen, and new ones lead nowhere': () => {
    network.swallow();
    // Longer than what was proven before is good for.
    const timer = setTimeout(() => network.heal(), 1500);
    return () => {
      clearTimeout(timer);
      network.heal();
    };
  },
  'the connections of a node are cut in the middle of an answer, again and again': () => {
    const timer = setInterval(() => network.cutAfter(500), 100);
    return () => {
      clearInterval(timer);
      network.cutAfter(null);
    };
  },
  'a node is stopped and continued': () => {
    const node = others[1]?.process;
    node?.signal('SIGSTOP');
    // Longer than what was proven before is good for.
    const timer = setTimeout(() => node?.signal('SIGCONT'), 1500);
    return () => {
      clearTimeout(timer);
      node?.signal('SIGCONT');
    };
  },
  'a node is stopped for moments, again and again': () => {
    const node = others[1]?.process;
    let stopped = false;
    const timer = setInterval(() => {
      stopped = !stopped;
      node?.signal(stopped ? 'SIGSTOP' : 'SIGCONT');
    }, 170);
    return () => {
      clearInterval(timer);
      node?.signal('SIGCONT');
    };
  },
};

test(
  `${ROUNDS} endings, of which no node lets anybody in after a second`,
  async () => {
    const late: string[] = [];
    let slowest = 0;
    const troubles = Object.entries(TROUBLES);
    for (let done = 0, batch = 0; done < ROUNDS; done += BATCH, batch++) {
      const [trouble, begin] = troubles[batch % troubles.length] ?? ['', () => () => undefined];
      const sessions = await Promise.all(
        Array.from({ length: BATCH }, (_, i) =>
          insist(() => openSession(a, userId, i % 2 ? 'session' : 'jwt')),
        ),
      );
      // Every node remembers every one of them.
      await Promise.all(
        sessions.flatMap((session) =>
          nodes().map((node) => eventually(async () => (await ask(node, session)) === 200)),
        ),
      );
      const end = begin();
      await Promise.all(
        sessions.map(async (session, i) => {
          const way = ENDINGS[(i + batch) % ENDINGS.length];
          await insist(async () => way?.(session));
          const endedAt = performance.now();
          await Promise.all(
            nodes().map(async (node) => {
              for (let status = 0; status !== 401;) {
                const askedAt = performance.now();
                status = await ask(node, session);
                if (![0, 200, 401, 503].includes(status)) throw new Error(`${trouble}: ${status}`);
                if (status !== 200) continue;
                slowest = Math.max(slowest, askedAt - endedAt);
                if (askedAt - endedAt > LATEST_MILLISECONDS)
                  late.push(`${trouble}: ${Math.round(askedAt - endedAt)} ms`);
              }
            }),
          );
        }),
      );
      await end();
    }
    console.info(
      `last access after an ending: ${Math.round(slowest)} ms in ${ROUNDS} endings on three nodes`,
    );
    expect(late).toEqual([]);
  },
  120_000 + ROUNDS * 200,
);
