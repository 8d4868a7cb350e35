import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { STRATEGIES } from '../../src/auth/strategies/index.js';
import { OpaqueStrategy } from '../examples/opaque.strategy.js';
import { mintSession, mintTokens } from '../session/support/minted.js';
import { type WireAnswer, wire } from '../session/support/wire.js';
import { parseSetCookie } from '../support/cookie-jar.js';
import { eventually } from '../support/processes.js';
import { TestApp } from '../support/test-app.js';

jest.setTimeout(180_000);

/** Of each race, shared out among the ways. */
const ROUNDS = Number(process.env.LATCHKEY_ROUNDS ?? 200);
const ORIGIN = 'http://localhost:3000';
const strategies = { ...STRATEGIES, opaque: OpaqueStrategy };

/** Out of one strategy into another. */
const WAYS = [
  ['session', 'jwt'],
  ['jwt', 'session'],
  ['session', 'opaque'],
  ['jwt', 'opaque'],
] as const;

/** What a client of one strategy sends. */
interface Shown {
  readonly sessionId: string;
  readonly headers: Record<string, string>;
  readonly body: object;
}

/** The header that carries what an answer has handed out. */
function handedOut({ body, setCookies }: WireAnswer): Record<string, string> {
  if (body.accessToken !== undefined) return { authorization: `Bearer ${body.accessToken}` };
  const sid = setCookies.map(parseSetCookie).find(({ name }) => name === 'sid');
  return { cookie: `sid=${sid?.value}`, origin: ORIGIN };
}

/** What all who race must have been told alike; access tokens of jwt are signed anew for each. */
function lastingValue({ body, setCookies }: WireAnswer): string | undefined {
  const cookie = setCookies.map(parseSetCookie).find(({ name }) => name === 'sid' || name === 'rt');
  return cookie?.value ?? body.refreshToken ?? body.accessToken;
}

describe('two nodes', () => {
  let nodes: TestApp[];
  beforeAll(async () => {
    const first = await TestApp.start({ mode: 'session,jwt,opaque', strategies });
    nodes = [
      first,
      await TestApp.start({ mode: 'jwt,opaque,session', strategies, database: first.database }),
    ];
  });
  afterAll(async () => {
    const faults = nodes.flatMap(({ log }) => log.filter((line) => line.includes('internal_error')));
    expect(faults).toEqual([]);
    for (const node of nodes.toReversed()) await node.close();
  });
  const nodeAt = (i: number): TestApp => nodes[i % nodes.length]!;

  async function holder(from: string): Promise<Shown> {
    const { id, cookie } = await mintSession(nodeAt(0));
    if (from === 'session') return { sessionId: id, headers: { cookie, origin: ORIGIN }, body: {} };
    const { accessToken, refreshToken } = await mintTokens(nodeAt(0), id);
    await nodeAt(0).rows(`DELETE FROM credentials WHERE session_id = $1 AND strategy = 'session'`, [id]);
    return { sessionId: id, headers: { authorization: `Bearer ${accessToken}` }, body: { refreshToken } };
  }
  const exchange = ({ url }: TestApp, { headers, body }: Shown, strategy: string) =>
    wire(url, 'POST', '/auth/exchange', { headers, body: { strategy, ...body } });
  const me = async ({ url }: TestApp, headers: Record<string, string>): Promise<number> =>
    (await wire(url, 'GET', '/auth/me', { headers })).status;

  /** Two rounds at a time. */
  async function rounds(round: (i: number) => Promise<void>): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let i = next++; i < ROUNDS / WAYS.length; i = next++) await round(i);
    };
    await Promise.all([worker(), worker()]);
  }

  test.each(WAYS)(
    `exchanges from %s to %s that race are told one value, and it works (${ROUNDS / WAYS.length} rounds)`,
    async (from, to) => {
      await rounds(async (i) => {
        const shown = await holder(from);
        // Every fourth time there is a value already that was drawn at a sign-in.
        if (i % 4 === 0 && to === 'session') {
          const drawn = await mintSession(nodeAt(0));
          await nodeAt(0).rows(
            `UPDATE credentials SET session_id = $1 WHERE session_id = $2 AND strategy = 'session'`,
            [shown.sessionId, drawn.id],
          );
        }
        const racers = 4 + (i % 5);
        const answers = await Promise.all(
          Array.from({ length: racers }, (_, n) => exchange(nodeAt(n), shown, to)),
        );
        expect(answers.map(({ status }) => status)).toEqual(Array(racers).fill(200));
        expect(new Set(answers.map(({ body }) => body.session.id))).toEqual(new Set([shown.sessionId]));
        expect(new Set(answers.map(lastingValue)).size).toBe(1);
        for (const [n, answer] of answers.entries())
          expect(await me(nodeAt(n + 1), handedOut(answer))).toBe(200);
        const rows = await nodeAt(0).rows('SELECT FROM credentials WHERE session_id = $1 AND strategy = $2', [
          shown.sessionId,
          to,
        ]);
        expect(rows).toHaveLength(1);
      });
    },
  );

  test.each(WAYS)(
    `an exchange from %s to %s that races a logout: nothing is alive after both (${ROUNDS / WAYS.length} rounds)`,
    async (from, to) => {
      let handed = 0;
      await rounds(async (i) => {
        const shown = await holder(from);
        const exchanges = [1, 2, 3].map((n) => exchange(nodeAt(i + n), shown, to));
        // The logout is quicker: it starts with them, some moments after, or when the first of them has its answer.
        if (i % 3 === 1) await delay(Math.random() * 10);
        if (i % 3 === 2) await Promise.race(exchanges);
        const gone = await wire(nodeAt(i).url, 'POST', '/auth/logout', { headers: shown.headers });
        const answers = await Promise.all(exchanges);
        expect(gone.status).toBe(204);
        for (const answer of answers) {
          expect([200, 401]).toContain(answer.status);
          if (answer.status !== 200) {
            expect(answer.setCookies).toEqual([]);
            continue;
          }
          handed += 1;
          expect(await me(nodeAt(i), handedOut(answer))).toBe(401);
          await eventually(async () => (await me(nodeAt(i + 1), handedOut(answer))) === 401);
        }
        const [row] = await nodeAt(0).rows<{ ended: boolean }>(
          'SELECT ended_at IS NOT NULL AS ended FROM sessions WHERE id = $1',
          [shown.sessionId],
        );
        expect(row?.ended).toBe(true);
      });
      // Both came first at times, or this has shown nothing.
      expect(handed).toBeGreaterThan(0);
    },
  );
});
