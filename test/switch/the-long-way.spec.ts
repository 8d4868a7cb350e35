import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { mintUsers } from '../session/support/minted.js';
import { latchkey } from '../support/command-line.js';
import { eventually } from '../support/processes.js';
import { TestApp } from '../support/test-app.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';
import { RoundRobin } from './support/round-robin.js';
import { KINDS, type Kind, Traveller } from './support/traveller.js';

/** Of each kind. The full number takes long: docs/switching-modes.md has the command. */
const CLIENTS = Number(process.env.LATCHKEY_CLIENTS ?? 20);
/** Requests a second of all clients together, in this one process that all nodes and the proxy share. */
const RATE = Number(process.env.LATCHKEY_RATE ?? 80);
const PAUSE = (3 * CLIENTS * 1000) / RATE;
const PATIENCE = 10 * 60_000;
jest.setTimeout(PATIENCE * 3);

/** A company of three nodes changes from cookies to tokens and back, while everybody goes on working. */
let database: TestDatabase;
let proxy: RoundRobin;
let nodes: TestApp[] = [];
let directory: string;
const travellers: Traveller[] = [];
const logs: string[] = [];

const startNode = (mode: string): Promise<TestApp> =>
  TestApp.start({
    mode,
    database,
    env: { THROTTLE: 'off', LOG_LEVEL: 'warn', JWT_REFRESH_GRACE: '2s', JWT_ACCESS_TTL: '20m' },
  });

/** A rolling deploy: one node after the other is replaced by one with the new setting. */
async function roll(mode: string): Promise<void> {
  for (const [i, old] of nodes.entries()) {
    const fresh = await startNode(mode);
    nodes = nodes.with(i, fresh);
    await proxy.use(nodes.map(({ url }) => url));
    await everybodyGoesOn(1);
    logs.push(...old.log);
    await old.close();
  }
  await everybodyGoesOn(3);
}

/** Resolves when each client has made that many more requests. */
async function everybodyGoesOn(requests: number): Promise<void> {
  const before = travellers.map((traveller) => traveller.requests);
  await eventually(
    () => complained() || travellers.every((one, i) => one.requests >= before[i]! + requests),
    PATIENCE,
  );
  expect(travellers.flatMap(({ complaints }) => complaints).slice(0, 5)).toEqual([]);
}
const complained = (): boolean => travellers.some(({ complaints }) => complaints.length > 0);

async function signInAll(kinds: readonly Kind[]): Promise<void> {
  for (const kind of kinds) {
    const users = await mintUsers(nodes[0]!, CLIENTS);
    const newcomers = users.map(({ email }) => new Traveller(kind, proxy.url, email));
    for (let i = 0; i < newcomers.length; i += 4)
      await Promise.all(newcomers.slice(i, i + 4).map((one) => one.signIn()));
    travellers.push(...newcomers);
    for (const newcomer of newcomers) newcomer.go(PAUSE);
  }
}

/** The operator waits until nobody would be signed out, and finishes. */
async function finish(strategy: string, next: string): Promise<void> {
  await eventually(() => complained() || travellers.every(({ holds }) => holds === next), PATIENCE);
  const { code, out, err } = await latchkey(nodes[0]!, directory, `mode finish ${strategy} --json`);
  expect([code, err.replaceAll(/^\d+ withdrawn, 0 ended$/gm, '').trim()]).toEqual([0, '']);
  expect(JSON.parse(out)).toMatchObject({ strategy, ended: 0 });
  await everybodyGoesOn(3);
}

beforeAll(async () => {
  database = await createTestDatabase();
  directory = await mkdtemp(join(tmpdir(), 'lk-way-'));
  proxy = await RoundRobin.start();
  for (let i = 0; i < 3; i++) nodes.push(await startNode('session'));
  await proxy.use(nodes.map(({ url }) => url));
});
afterAll(async () => {
  for (const traveller of travellers) await traveller.stop();
  await proxy.close();
  for (const node of nodes) await node.close();
  await database.drop();
  await rm(directory, { recursive: true, force: true });
});

test(`the long way from session to jwt and back, with ${CLIENTS} clients of each kind: nobody is signed out`, async () => {
  const [cookies, ...tokens] = KINDS;
  await signInAll([cookies]);
  await everybodyGoesOn(2);
  await roll('session,jwt');
  await signInAll(tokens);
  await everybodyGoesOn(2);
  await roll('jwt,session');
  await finish('session', 'jwt');
  await roll('jwt');
  await roll('jwt,session');
  await roll('session,jwt');
  await finish('jwt', 'session');
  await roll('session');

  const arrived = await Promise.all(travellers.map((traveller) => traveller.arrive()));
  expect(travellers.flatMap(({ complaints }) => complaints).slice(0, 5)).toEqual([]);
  expect(arrived).toEqual(Array(3 * CLIENTS).fill(true));
  const [left] = await nodes[0]!.rows<{ live: number; all: number }>(
    'SELECT count(*) FILTER (WHERE ended_at IS NULL)::int AS live, count(*)::int AS all FROM sessions',
  );
  expect(left).toEqual({ live: 3 * CLIENTS, all: 3 * CLIENTS });
  for (const node of nodes) logs.push(...node.log);
  expect(logs.filter((line) => /internal_error|"level":"?(50|error)/.test(line))).toEqual([]);
  if (CLIENTS > 20)
    console.log(
      `${travellers.reduce((sum, { requests }) => sum + requests, 0)} requests, and not one refused`,
    );
});
