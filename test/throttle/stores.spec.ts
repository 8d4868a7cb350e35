import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { Database } from '../../src/database/database.js';
import { MetricsService } from '../../src/metrics/metrics.service.js';
import { OwnServer } from '../session/support/own-server.js';
import { eventually } from '../support/processes.js';
import { TestApp } from '../support/test-app.js';
import { PASSWORD, TestClient, newEmail } from '../support/test-client.js';
import { HAS_REDIS, OwnRedis, REDIS } from './support/own-redis.js';
import { insured, sharing, told } from './support/sharing.js';

const WRONG = `${PASSWORD} but wrong`;
const ON = {
  THROTTLE: 'on',
  TRUST_PROXY: '1',
  THROTTLE_LOGIN_FAILURES_PER_ACCOUNT: '5/1h',
  METRICS_PORT: '0',
  HOST: '127.0.0.1',
};

let serial = 0;
function newAddress(): string {
  serial += 1;
  return `192.0.2.${serial & 255}`;
}

const times = (count: number, status: number): number[] => Array<number>(count).fill(status);

/** So many wrong passwords for one account, each from another address, at these nodes in turn. */
async function guesses(count: number, email: string, ...nodes: TestApp[]): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < count; i++) {
    const client = new TestClient(nodes[i % nodes.length]!.url, { address: newAddress() });
    statuses.push((await client.post('/auth/login', { email, password: WRONG })).status);
  }
  return statuses;
}

const GONE = [40, 'the store of the rate limits does not answer: this node counts by itself'];
const BACK = [30, 'the store of the rate limits answers again'];

/** The story of every outage: limits hold, sign-in works, both ends are logged once, and it recovers by itself. */
async function survives(app: TestApp, breakIt: () => unknown, mend: () => unknown): Promise<void> {
  const user = app.client({ address: newAddress() });
  expect((await user.signup()).status).toBe(201);
  const email = newEmail();
  expect(await guesses(3, email, app)).toEqual(times(3, 401));
  await eventually(() => !insured(app));
  const from = app.log.length;
  await breakIt();
  // What this node has counted before counts on.
  expect(await guesses(4, email, app)).toEqual([401, 401, 429, 429]);
  expect(insured(app)).toBe(true);
  expect(await metric(app, 'latchkey_throttle_insurance_in_use')).toBe(1);
  expect(await guesses(7, newEmail(), app)).toEqual([...times(5, 401), 429, 429]);
  expect((await user.me()).status).toBe(200);
  expect((await user.sibling().login()).status).toBe(200);
  expect((await app.client({ address: newAddress() }).signup()).status).toBe(201);
  expect(told(app, from)).toEqual([GONE]);
  await mend();
  await eventually(async () => (await metric(app, 'latchkey_throttle_insurance_in_use')) === 0);
  expect(told(app, from).slice(0, 2)).toEqual([GONE, BACK]);
  expect(await guesses(6, newEmail(), app)).toEqual([...times(5, 401), 429]);
  expect((await user.me()).status).toBe(200);
}

async function metric(app: TestApp, name: string): Promise<number> {
  const line = (await app.get(MetricsService).text()).split('\n').find((each) => each.startsWith(name));
  return Number(line?.split(' ').at(-1));
}

describe('in PostgreSQL', () => {
  let one: TestApp;
  let two: TestApp;
  beforeAll(async () => {
    one = await TestApp.start({ mode: 'session', env: ON });
    two = await TestApp.start({ mode: 'session', env: ON, database: one.database });
  });
  afterAll(async () => {
    await two.close();
    await one.close();
  });

  test('BR10 two nodes count together', () =>
    sharing([one, two], async () => {
      expect(await guesses(7, newEmail(), one, two)).toEqual([...times(5, 401), 429, 429]);
      const email = newEmail();
      const all = await Promise.all(
        Array.from({ length: 16 }, (_, i) => guesses(1, email, i % 2 ? one : two)),
      );
      expect(all.flat().sort()).toEqual([...times(5, 401), ...times(11, 429)]);
    }));

  test('a connection on which something failed is not used again: its server may have become a replica', async () => {
    const pool = one.get(Database).openSidePool(1, 10_000);
    const pid = async () => (await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid'))[0]?.pid;
    const first = await pid();
    expect(await pid()).toBe(first);
    await expect(pool.query('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' });
    expect(await pid()).not.toBe(first);
    await pool.close();
  });

  test('refusals are counted by limit', async () => {
    const name = 'latchkey_throttle_refused_total{limit="login-failures-per-account"}';
    const before = await metric(one, name);
    await guesses(8, newEmail(), one);
    expect((await metric(one, name)) - before).toBe(3);
  });

  test('BR11 the table is locked: this node counts by itself', async () => {
    const client = new pg.Client({ connectionString: one.database.url });
    await client.connect();
    await survives(
      one,
      async () => {
        await client.query('BEGIN');
        await client.query('LOCK TABLE throttle_counters IN ACCESS EXCLUSIVE MODE');
      },
      () => client.query('ROLLBACK'),
    );
    await client.end();
  }, 60_000);

  test('BR11 the table is gone: this node counts by itself', async () => {
    await survives(
      one,
      () => one.rows('ALTER TABLE throttle_counters RENAME TO elsewhere'),
      () => one.rows('ALTER TABLE elsewhere RENAME TO throttle_counters'),
    );
  }, 60_000);
});

test('BR11 PostgreSQL is frozen: sign-in is 503, neither 401 nor 500, sets no cookie, and is back without a restart', async () => {
  const server = await OwnServer.start();
  const app = await TestApp.start({ mode: 'session', database: server.database, env: ON });
  const user = app.client({ address: newAddress() });
  expect((await user.signup()).status).toBe(201);
  server.freeze();
  for (let i = 0; i < 2; i++) {
    const answer = await user.sibling().login();
    expect([answer.status, answer.body.code, answer.setCookies]).toEqual([503, 'unavailable', []]);
  }
  server.thaw();
  await eventually(async () => !insured(app) && (await user.sibling().login()).status === 200);
  expect((await user.me()).status).toBe(200);
  await app.close();
  await server.stop();
}, 60_000);

(HAS_REDIS ? describe : describe.skip)(`in ${REDIS}`, () => {
  let redis: OwnRedis;
  let one: TestApp;
  let two: TestApp;
  beforeAll(async () => {
    redis = await OwnRedis.start({ running: false });
  });
  afterAll(async () => {
    redis.thaw();
    await two?.close();
    await one?.close();
    await redis.stop();
  });

  const counters = async (): Promise<string[]> => {
    const keys = await redis.command('KEYS', 'latchkey:throttle:*');
    return Array.isArray(keys) ? keys.map(String).filter((key) => !key.endsWith('probe')) : [];
  };

  test('FT16 down at boot: the node starts, counts by itself, and takes to Redis when it comes', async () => {
    one = await TestApp.start({ mode: 'session,jwt', env: { ...ON, REDIS_URL: redis.url } });
    expect(told(one)).toEqual([GONE]);
    expect((await one.client({ address: newAddress() }).signup()).status).toBe(201);
    expect(await guesses(7, newEmail(), one)).toEqual([...times(5, 401), 429, 429]);
    await redis.comeUp();
    await eventually(() => !insured(one));
    expect(told(one).slice(0, 2)).toEqual([GONE, BACK]);
    await sharing([one], async () => {
      expect(await guesses(6, newEmail(), one)).toEqual([...times(5, 401), 429]);
      expect(await counters()).not.toEqual([]);
    });
    expect(await one.rows('SELECT 1 FROM throttle_counters')).toEqual([]);
  });

  test('BR10 two nodes count together', async () => {
    two = await TestApp.start({
      mode: 'session,jwt',
      env: { ...ON, REDIS_URL: redis.url },
      database: one.database,
    });
    await sharing([one, two], async () => {
      expect(await guesses(7, newEmail(), one, two)).toEqual([...times(5, 401), 429, 429]);
    });
  });

  test('what is kept there ends by itself, and tells no account', async () => {
    const email = newEmail();
    await guesses(1, email, one);
    for (const key of await counters()) {
      expect(Number(await redis.command('PTTL', key))).toBeGreaterThan(0);
      expect(key).not.toContain('@');
    }
  });

  test('FT16 killed in the middle', async () => {
    await survives(
      one,
      () => redis.goAway(),
      () => redis.comeUp(),
    );
  }, 60_000);

  test('FT16 frozen', async () => {
    await survives(
      one,
      () => redis.freeze(),
      () => redis.thaw(),
    );
  }, 60_000);

  test('FT16 out of memory', async () => {
    await survives(
      one,
      () => redis.command('CONFIG', 'SET', 'maxmemory', '1'),
      () => redis.command('CONFIG', 'SET', 'maxmemory', '0'),
    );
  }, 60_000);

  test('FT16 a replica, which takes no writes', async () => {
    await survives(
      one,
      () => redis.command('REPLICAOF', '127.0.0.1', '1'),
      () => redis.command('REPLICAOF', 'NO', 'ONE'),
    );
  }, 60_000);

  test('FT17 flushed: nobody is logged out, and counting begins anew', async () => {
    const user = one.client({ address: newAddress() });
    const phone = user.sibling();
    expect((await user.signup()).status).toBe(201);
    expect((await phone.login({ strategy: 'jwt' })).status).toBe(200);
    await sharing([one, two], async () => {
      const email = newEmail();
      expect(await guesses(6, email, one)).toEqual([...times(5, 401), 429]);
      await redis.command('FLUSHALL');
      expect((await user.me()).status).toBe(200);
      expect((await phone.me()).status).toBe(200);
      expect((await phone.refresh()).status).toBe(200);
      expect((await phone.copy(two.url).me()).status).toBe(200);
      expect(await guesses(6, email, one)).toEqual([...times(5, 401), 429]);
    });
  });

  test('REDIS_URL with a wrong password: the node counts by itself, and neither password is in a log', async () => {
    const wrong = redis.url.replace(redis.password, 'not-the-secret-1');
    const app = await TestApp.start({ mode: 'session', env: { ...ON, REDIS_URL: wrong } });
    expect(insured(app)).toBe(true);
    expect(await guesses(6, newEmail(), app)).toEqual([...times(5, 401), 429]);
    for (const line of [...app.log, ...one.log, ...two.log]) {
      expect(line).not.toContain('not-the-secret-1');
      expect(line).not.toContain(redis.password);
    }
    await app.close();
  });
});
