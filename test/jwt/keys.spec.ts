import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { KeyRotation } from '../../src/keys/key-rotation.js';
import { SigningKeyStore } from '../../src/keys/signing-key-store.js';
import { eventually } from '../support/processes.js';
import { MODES, type TestApp } from '../support/test-app.js';
import type { TestClient } from '../support/test-client.js';
import { type TestDatabase, createTestDatabase } from '../support/test-database.js';
import { es256, strangers, taken } from './support/forge.js';
import {
  age,
  ageAll,
  bare,
  closeDatabase,
  devices,
  openDatabaseAgain,
  ringOf,
  signedIn,
  startApp,
} from './support/jwt-app.js';

jest.setTimeout(60_000);

interface KeyRow {
  id: string;
  algorithm: string;
  encrypted_private_key: Buffer;
  secret_id: string;
  state: string;
}

const rowsOf = (app: TestApp): Promise<KeyRow[]> =>
  app.rows<KeyRow>(
    `SELECT *, CASE WHEN withdrawn_at <= now() THEN 'withdrawn' WHEN retired_at IS NOT NULL THEN 'retired'
       WHEN signs_from > now() THEN 'next' ELSE 'signing' END AS state FROM signing_keys ORDER BY created_at, id`,
  );
const kidOf = (token: string | undefined): string | undefined => decodeProtectedHeader(token ?? '').kid;
/** The ids of the JWKS, as a service would see them. */
async function published(app: TestApp): Promise<string[]> {
  const { body } = await app.client().get('/.well-known/jwks.json');
  return body.keys.map(({ kid }: { kid: string }) => kid).sort();
}
const me = (app: TestApp, token: string | undefined) => bare(app, { authorization: `Bearer ${token}` });
/** A new access token for the client, from that node; its refresh token may be another one after that. */
async function fresh(app: TestApp, client: TestClient): Promise<string> {
  const there = client.copy(app.url);
  const { body } = await there.refresh();
  client.refreshToken = there.refreshToken;
  return body.accessToken;
}

describe('the first key', () => {
  test.each(MODES)(
    'AUTH_MODE=%s: of nodes that start together one makes it, and all publish it',
    async (mode) => {
      const database = await createTestDatabase();
      const nodes = await Promise.all([1, 2, 3].map(() => startApp({ mode, database })));
      const [row, ...others] = await rowsOf(nodes[0]!);
      expect([row?.state, row?.algorithm, others]).toEqual(['signing', 'ES256', []]);
      for (const node of nodes) {
        const answer = await node.client().get('/.well-known/jwks.json');
        expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'public, max-age=300']);
        expect(answer.body).toEqual({
          keys: [
            {
              kty: 'EC',
              crv: 'P-256',
              use: 'sig',
              alg: 'ES256',
              kid: row?.id,
              x: expect.any(String),
              y: expect.any(String),
            },
          ],
        });
        expect(answer.setCookies).toEqual([]);
      }
      await Promise.all(nodes.map((node) => node.close()));
      await database.drop();
    },
  );
});

describe('two nodes on one database', () => {
  let a: TestApp;
  let b: TestApp;
  let ann: TestClient;
  beforeAll(async () => {
    a = await startApp({ mode: 'session,jwt' });
    b = await startApp({ mode: 'session,jwt', database: a.database });
    ann = await signedIn(a);
  });
  afterAll(async () => {
    await b.close();
    await a.close();
  });
  /** Each begins with one key that signs, known to both nodes. */
  async function oneKey(): Promise<string> {
    const kid = await a.get(KeyRotation).replaceCompromised();
    await Promise.all([a, b].map((node) => ringOf(node).reload()));
    await a.rows('DELETE FROM signing_keys WHERE id <> $1', [kid]);
    return kid;
  }
  const signNow = (kid: string) => a.rows('UPDATE signing_keys SET signs_from = now() WHERE id = $1', [kid]);
  const upkeep = (node = a) => node.get(KeyRotation).upkeep();

  test('KR01 a rotation: published on every node at once, signing after 15 minutes, the old one accepted until nothing of it lives', async () => {
    const first = await oneKey();
    const old = await fresh(a, ann);
    expect(kidOf(old)).toBe(first);

    const next = await a.get(KeyRotation).rotateNow();
    for (const node of [a, b])
      await eventually(async () => (await published(node)).join() === [first, next].sort().join());
    const [left] = await a.rows<{ seconds: number }>(
      'SELECT extract(epoch FROM signs_from - now())::float8 AS seconds FROM signing_keys WHERE id = $1',
      [next],
    );
    expect(left?.seconds).toBeGreaterThan(890);
    expect(left?.seconds).toBeLessThanOrEqual(900);
    for (const node of [a, b]) expect(kidOf(await fresh(node, ann))).toBe(first);
    // It is published, so what it signs is ours, whoever's turn it is.
    const { claims, header } = taken(old);
    const { privateKey } = (await ringOf(a).find(next)) ?? {};
    const early = es256(
      { header: { ...header, kid: next }, payload: claims },
      privateKey ?? strangers.privateKey,
    );
    expect((await me(b, early)).status).toBe(200);

    await signNow(next);
    for (const node of [a, b]) await eventually(async () => kidOf(await fresh(node, ann)) === next);
    for (const node of [a, b]) expect((await me(node, old)).status).toBe(200);

    await upkeep(b);
    const retired = (await rowsOf(a)).find(({ id }) => id === first);
    expect(retired?.state).toBe('retired');
    const [stays] = await a.rows<{ seconds: number }>(
      'SELECT extract(epoch FROM withdrawn_at - now())::float8 AS seconds FROM signing_keys WHERE id = $1',
      [first],
    );
    // Ten minutes of life, and an hour for clocks that are off.
    expect(stays?.seconds).toBeGreaterThan(600 + 3590);
    expect(stays?.seconds).toBeLessThanOrEqual(600 + 3600);
    for (const node of [a, b]) {
      await ringOf(node).reload();
      expect(await published(node)).toEqual([first, next].sort());
      expect((await me(node, old)).status).toBe(200);
    }

    // KR01, JW25: withdrawn, its tokens are refused and the session goes on.
    await a.rows('UPDATE signing_keys SET withdrawn_at = now() WHERE id = $1', [first]);
    for (const node of [a, b]) {
      await eventually(async () => (await me(node, old)).status === 401);
      expect((await me(node, old)).body.code).toBe('credential_invalid');
      expect(await published(node)).toEqual([next]);
      expect((await me(node, await fresh(node, ann))).status).toBe(200);
    }
  });

  test('the next key is made when JWT_KEY_ROTATION comes near, once', async () => {
    const kid = await oneKey();
    const agedBy = (interval: string) =>
      a.rows(`UPDATE signing_keys SET signs_from = now() - $2::interval WHERE id = $1`, [kid, interval]);
    await agedBy('89 days 23 hours 44 minutes');
    await upkeep();
    expect(await rowsOf(a)).toHaveLength(1);
    await agedBy('89 days 23 hours 46 minutes');
    await Promise.all([upkeep(a), upkeep(b)]);
    await upkeep(b);
    expect((await rowsOf(a)).map(({ state }) => state)).toEqual(['signing', 'next']);
  });

  test('keys rotate --compromised: at once here, within a second there, remembered principals too; nobody is logged out', async () => {
    const stolen = await oneKey();
    const stolenKey = ringOf(a).signingKey().privateKey;
    const cookie = a.client();
    await cookie.signup();
    const old = await fresh(a, ann);
    const { header, claims } = taken(old);
    const forged = () => es256({ header, payload: { ...claims, jti: crypto.randomUUID() } }, stolenKey);
    const remembered = forged();
    for (const node of [a, b])
      for (const token of [old, remembered]) expect((await me(node, token)).status).toBe(200);

    const kid = await a.get(KeyRotation).replaceCompromised();
    const withdrawnAt = performance.now();
    while (performance.now() - withdrawnAt < 2500) {
      const asked = performance.now() - withdrawnAt;
      for (const token of [old, remembered, forged()]) {
        if ((await me(b, token)).status === 200) expect(asked).toBeLessThan(1000);
      }
    }
    for (const node of [a, b]) {
      expect((await me(node, old)).body.code).toBe('credential_invalid');
      expect(await published(node)).toEqual([kid]);
      expect(kidOf(await fresh(node, ann))).toBe(kid);
      expect((await me(node, await fresh(node, ann))).status).toBe(200);
      expect((await cookie.copy(node.url).me()).status).toBe(200);
    }
    const gone = (await rowsOf(a)).find(({ id }) => id === stolen);
    // Its private half is destroyed: no later UPDATE brings it back.
    expect([gone?.state, gone?.encrypted_private_key.length]).toEqual(['withdrawn', 0]);
    await a.rows('UPDATE signing_keys SET withdrawn_at = NULL, retired_at = NULL WHERE id = $1', [stolen]);
    await ringOf(b).reload();
    expect(await published(b)).toEqual([kid]);
    expect((await me(b, forged())).status).toBe(401);
  });

  test('a key that a database writer without the secret adds is never published, accepted or used', async () => {
    const kid = await oneKey();
    const der = strangers.privateKey.export({ format: 'der', type: 'pkcs8' });
    const [own] = await rowsOf(a);
    for (const [id, bytes] of [
      ['plain', der],
      ['public', strangers.publicKey.export({ format: 'der', type: 'spki' })],
      ['short', Buffer.alloc(3)],
      ['random', randomBytes(200)],
      ['copied', own?.encrypted_private_key],
    ] as const) {
      await a.rows(
        `INSERT INTO signing_keys (id, algorithm, encrypted_private_key, secret_id, signs_from)
         VALUES ($1, 'ES256', $2, $3, now() + interval '1 second')`,
        [id, bytes, own?.secret_id],
      );
    }
    await a.rows(`UPDATE signing_keys SET signs_from = now() WHERE id <> $1`, [kid]);
    for (const node of [a, b]) {
      for (let i = 0; i < 3; i++) await ringOf(node).reload();
      expect(await published(node)).toEqual([kid]);
      expect(kidOf(await fresh(node, ann))).toBe(kid);
    }
    const { header, claims } = taken(await fresh(a, ann));
    for (const id of ['plain', 'public']) {
      const forged = es256({ header: { ...header, kid: id }, payload: claims }, strangers.privateKey);
      expect((await me(a, forged)).body.code).toBe('credential_invalid');
    }
    await upkeep();
    expect((await rowsOf(a)).find(({ id }) => id === kid)?.state).toBe('signing');
    const told = b.log.filter((line) => line.includes('no APP_SECRET opens') && line.includes('"plain"'));
    expect(told).toHaveLength(1);
    await oneKey();
  });

  test('RC16 keys rotate under a steady load of refreshes and reads: no failed request', async () => {
    await oneKey();
    const failures: string[] = [];
    let requests = 0;
    let running = true;
    const clients = await devices(a, ann, 6);
    const load = clients.map(async (client, i) => {
      const copies = [client.copy(a.url), client.copy(b.url)];
      for (let round = 0; running; round++) {
        const here = copies[(i + round) % 2]!;
        const there = copies[(i + round + 1) % 2]!;
        const refreshed = await here.refresh();
        there.accessToken = here.accessToken;
        there.refreshToken = here.refreshToken;
        for (const answer of [refreshed, await here.me(), await there.me()]) {
          requests += 1;
          if (answer.status !== 200) failures.push(`${answer.status} ${answer.text}`);
        }
      }
    });
    const kids = new Set<string>();
    try {
      for (let rotation = 0; rotation < 4; rotation++) {
        const kid = await [a, b][rotation % 2]!.get(KeyRotation).rotateNow();
        kids.add(kid);
        for (const client of clients) await age(a, client);
        for (const node of [a, b]) await eventually(async () => (await published(node)).includes(kid));
        await signNow(kid);
        for (const node of [a, b]) await eventually(async () => kidOf(await fresh(node, ann)) === kid);
        await Promise.all([upkeep(a), upkeep(b)]);
      }
    } finally {
      running = false;
      await Promise.all(load);
    }
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(100);
    expect(kids.size).toBe(4);
  });

  test('an emptied table: the next look makes a key, and sign-ins go on', async () => {
    const [before] = await published(a);
    await a.rows('TRUNCATE signing_keys');
    for (const node of [a, b])
      await eventually(async () => {
        const [kid, ...others] = await published(node);
        return kid !== undefined && kid !== before && others.length === 0;
      });
    expect(await published(a)).toEqual(await published(b));
    expect((await a.client().signup()).status).toBe(201);
    const token = await fresh(a, ann);
    expect((await me(b, token)).status).toBe(200);
  });

  test('while the database is away the JWKS is served, and an unknown kid is 503, never 401', async () => {
    const kids = await published(a);
    const { header, claims } = taken(await fresh(a, ann));
    const unknown = () =>
      es256({ header: { ...header, kid: crypto.randomUUID() }, payload: claims }, strangers.privateKey);
    try {
      await closeDatabase(a);
      await eventually(async () => (await me(a, unknown())).status === 503);
      for (let i = 0; i < 3; i++) {
        const answer = await me(a, unknown());
        expect([answer.status, answer.body.code]).toEqual([503, 'unavailable']);
      }
      expect(await published(a)).toEqual(kids);
      expect((await me(a, `${unknown().split('.')[0]}.e30.AAAA`)).status).toBe(503);
      expect((await me(a, 'x.y.z')).status).toBe(401);
    } finally {
      await openDatabaseAgain(a);
    }
    await eventually(async () => (await me(a, unknown())).status === 401);
  });
});

describe('at rest', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());
  const start = (env: Record<string, string> = {}) => startApp({ mode: 'jwt', database, env });

  test('a private key is encrypted, anew each time', async () => {
    const app = await start();
    const [row] = await rowsOf(app);
    const { privateKey } = ringOf(app).signingKey();
    const scalar = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');
    expect(row?.encrypted_private_key.includes(scalar)).toBe(false);
    expect(row?.encrypted_private_key.includes(scalar.subarray(0, 8))).toBe(false);
    expect(JSON.stringify(await app.rows('SELECT t::text FROM signing_keys t'))).not.toMatch(/BEGIN|"d"|eyJ/);
    await app.close();
  });

  test.each([
    [
      'the ciphertexts of two rows are swapped',
      `UPDATE signing_keys k SET encrypted_private_key = o.encrypted_private_key FROM signing_keys o WHERE o.id <> k.id`,
    ],
    ['a row gets another id', `UPDATE signing_keys SET id = id || 'x'`],
    ['a row gets another algorithm', `UPDATE signing_keys SET algorithm = 'PS256'`],
    [
      'a byte is changed',
      `UPDATE signing_keys SET encrypted_private_key = set_byte(encrypted_private_key, 40, 255 - get_byte(encrypted_private_key, 40))`,
    ],
  ])('when %s, none of them opens: a new key is made, and the service works', async (_, sql) => {
    const before = await start();
    await before.rows('DELETE FROM signing_keys');
    await before.get(KeyRotation).ensure();
    await before.get(KeyRotation).rotateNow();
    await before.rows(sql);
    const spoilt = (await rowsOf(before)).map(({ id }) => id);
    await before.close();

    const app = await start();
    const kids = await published(app);
    expect(kids).toHaveLength(1);
    expect(spoilt).not.toContain(kids[0]);
    const client = await signedIn(app);
    expect([kidOf(client.accessToken), (await client.me()).status]).toEqual([kids[0], 200]);
    expect(app.log.filter((line) => line.includes('no APP_SECRET opens'))).toHaveLength(2);
    await app.close();
  });

  test('KR02 under a new APP_SECRET keys are encrypted anew, so that the old one can go; access tokens live through it', async () => {
    const [older, newer] = [randomBytes(32), randomBytes(32)].map((bytes) => bytes.toString('hex'));
    let app = await start({ APP_SECRET: older ?? '' });
    const client = await signedIn(app);
    const kid = kidOf(client.accessToken);
    const secretIds: string[] = [];
    for (const APP_SECRET of [`${older},${newer}`, `${newer},${older}`, `${newer}`]) {
      await app.close();
      app = await start({ APP_SECRET });
      expect((await me(app, client.accessToken)).status).toBe(200);
      expect(await published(app)).toContain(kid);
      secretIds.push((await rowsOf(app)).find(({ id }) => id === kid)?.secret_id ?? '');
      expect(app.config.secrets.map(({ id }) => id)).toContain(secretIds.at(-1));
    }
    expect(secretIds[0]).not.toBe(secretIds[1]);
    expect(secretIds[1]).toBe(secretIds[2]);
    expect(secretIds[2]).toBe(app.config.secrets[0].id);
    await app.close();
  });

  test('another APP_SECRET altogether: everybody signs in anew, and the service works', async () => {
    const before = await start();
    const client = await signedIn(before);
    await before.close();
    const app = await start({ APP_SECRET: randomBytes(32).toString('hex') });
    expect((await me(app, client.accessToken)).status).toBe(401);
    const again = client.sibling({}, app.url);
    expect((await again.login()).status).toBe(200);
    expect((await again.me()).status).toBe(200);
    const states = (await app.get(SigningKeyStore).list()).map(({ state }) => state);
    expect(states.filter((state) => state === 'signing')).toHaveLength(1);
    expect(states).toContain('unreadable');
    await app.close();
  });

  test('another JWT_ALGORITHM is a rotation: the old key signs on for 15 minutes, its tokens are accepted after', async () => {
    const database = await createTestDatabase();
    const es = await startApp({ mode: 'jwt', database });
    const client = await signedIn(es);
    const old = client.accessToken;
    const rs = await startApp({ mode: 'jwt', database, env: { JWT_ALGORITHM: 'RS256' } });
    expect((await me(rs, old)).status).toBe(200);
    expect(decodeProtectedHeader(await fresh(rs, client)).alg).toBe('ES256');
    const keys = await rowsOf(rs);
    expect(keys.map(({ algorithm, state }) => [algorithm, state])).toEqual([
      ['ES256', 'signing'],
      ['RS256', 'next'],
    ]);
    expect(await published(rs)).toHaveLength(2);
    await rs.rows(`UPDATE signing_keys SET signs_from = now() WHERE algorithm = 'RS256'`);
    await eventually(async () => decodeProtectedHeader(await fresh(rs, client)).alg === 'RS256');
    const next = await fresh(rs, client);
    for (const node of [es, rs]) {
      await eventually(async () => (await me(node, next)).status === 200);
      expect((await me(node, old)).status).toBe(200);
    }
    await rs.get(KeyRotation).upkeep();
    // A node that is still configured for the old one signs with what is left.
    await ringOf(es).reload();
    expect(decodeProtectedHeader(await fresh(es, client)).alg).toBe('RS256');
    await rs.close();
    await es.close();
    await database.drop();
  });
});

test('RC16 APP_SECRET rotates in three rolling deploys under a steady load: no failed request, nobody logged out', async () => {
  const [older, newer] = [randomBytes(32), randomBytes(32)].map((bytes) => bytes.toString('base64url'));
  const database = await createTestDatabase();
  const start = (APP_SECRET: string) => startApp({ mode: 'jwt', database, env: { APP_SECRET } });
  const slots = [await start(older ?? ''), await start(older ?? '')];
  /** What a load balancer knows: which nodes take requests, and how many they have. */
  const open = new Set([0, 1]);
  const inFlight = [0, 0];
  const owner = await signedIn(slots[0]!);
  const failures: string[] = [];
  let requests = 0;
  let running = true;
  const load = (await devices(slots[0]!, owner, 6)).map(async (client, i) => {
    for (let round = i; running; round++) {
      const slot = [...open][round % open.size] ?? 0;
      inFlight[slot]! += 1;
      const copy = client.copy(slots[slot]!.url);
      const answers = [await copy.refresh(), await copy.me()];
      inFlight[slot]! -= 1;
      client.refreshToken = copy.refreshToken;
      client.accessToken = copy.accessToken;
      requests += answers.length;
      for (const { status, text } of answers) if (status !== 200) failures.push(`${status} ${text}`);
    }
  });
  const holder = slots[0]!;
  try {
    for (const secret of [`${older},${newer}`, `${newer},${older}`, `${newer}`]) {
      for (const slot of [0, 1]) {
        open.delete(slot);
        await eventually(() => inFlight[slot] === 0);
        if (slots[slot] !== holder) await slots[slot]!.close();
        slots[slot] = await start(secret);
        open.add(slot);
        // Everybody's token is rotated at least once in this state of things.
        await ageAll(slots[slot]);
        const before = requests;
        await eventually(() => requests > before + 40, 20_000);
      }
    }
  } finally {
    running = false;
    await Promise.all(load);
  }
  expect(failures).toEqual([]);
  expect(await slots[0]!.rows('SELECT id FROM sessions WHERE ended_at IS NOT NULL')).toEqual([]);
  for (const app of new Set([...slots, holder])) await app.close();
  await database.drop();
});

describe('a service that has never heard of Latchkey', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp({ mode: 'jwt' });
  });
  afterAll(() => app.close());

  test('verifies a token with docs/examples/verify-with-jose.mjs and nothing else', async () => {
    const example = join(import.meta.dirname, '../../docs/examples/verify-with-jose.mjs');
    const service = spawn(process.execPath, [example], {
      env: { ISSUER: 'http://localhost:3000', JWKS_URL: `${app.url}/.well-known/jwks.json`, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(service.stdout, 'data')) as [Buffer];
      const url = line.toString().trim();
      const ask = async (authorization?: string) =>
        fetch(url, { headers: authorization ? { authorization } : {} });
      const client = await signedIn(app);
      await age(app, client);
      const accepted = await ask(`Bearer ${client.accessToken}`);
      expect([accepted.status, await accepted.json()]).toEqual([
        200,
        { hello: taken(client.accessToken ?? '').claims.sub, roles: ['user'] },
      ]);
      const { header, claims } = taken(client.accessToken ?? '');
      const { privateKey } = ringOf(app).signingKey();
      const refused = [
        undefined,
        'Bearer x',
        `Bearer ${client.refreshToken}`,
        `Bearer ${client.accessToken?.slice(0, -8)}AAAAAAAA`,
        `Bearer ${es256({ header, payload: { ...claims, exp: 1 } }, privateKey)}`,
        `Bearer ${es256({ header: { ...header, typ: 'lk-fwd+jwt' }, payload: claims }, privateKey)}`,
        `Bearer ${es256({ header, payload: { ...claims, aud: 'http://other' } }, privateKey)}`,
        `Bearer ${es256({ header, payload: claims }, strangers.privateKey)}`,
      ];
      for (const authorization of refused) expect((await ask(authorization)).status).toBe(401);
    } finally {
      service.kill();
    }
  });
});
