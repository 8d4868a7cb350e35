import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Load, PrincipalCache } from '../../src/auth/principal-cache.js';
import { type PrincipalChange, SessionFeed } from '../../src/feed/session-feed.js';
import type { Authentication } from '../../src/principal/authentication.js';
import type { SessionId, UserId } from '../../src/principal/principal.js';
import type { SessionRecord } from '../../src/sessions/session-record.js';
import { eventually } from '../support/processes.js';
import { TestApp } from '../support/test-app.js';

const MINUTE = 60_000;

let app: TestApp;
let cache: PrincipalCache;
let feed: SessionFeed;
beforeAll(async () => {
  app = await TestApp.start({ mode: 'session' });
  cache = app.get(PrincipalCache);
  feed = app.get(SessionFeed);
});
afterAll(async () => {
  await app.close();
});

interface Subject {
  readonly key: string;
  readonly sessionId: SessionId;
  readonly userId: UserId;
}

/** A credential that nobody has used yet. */
function subject(): Subject {
  return {
    key: randomUUID(),
    sessionId: randomUUID() as SessionId,
    userId: randomUUID() as UserId,
  };
}

/** What a reading of the database yields; `name` tells which one it was. */
function record({ sessionId, userId }: Subject, name: string, fields: Partial<SessionRecord> = {}) {
  const now = new Date();
  const later = new Date(now.getTime() + 60 * MINUTE);
  return {
    id: sessionId,
    user: { id: userId, email: 'ann@example.com', name, roles: ['user'], createdAt: now, updatedAt: now },
    createdAt: now,
    lastSeenAt: now,
    readAt: now,
    expiresAt: later,
    idleExpiresAt: later,
    activityInterval: MINUTE,
    activityDueIn: MINUTE,
    ...fields,
  } as SessionRecord;
}

const authentication = { principal: { strategy: 'session' } } as Authentication;
const put = (who: Subject, load: Load, read: SessionRecord) => cache.put(who.key, load, read, authentication);
const nameOf = (who: Subject, now = performance.now()): string | null | undefined =>
  cache.get(who.key, 'session', now)?.session.user.name;

/** All orders of the steps of several actors, each of whom keeps to its own order. */
function* interleavings(...actors: readonly (readonly string[])[]): Generator<string[]> {
  if (actors.every(({ length }) => length === 0)) yield [];
  for (const [i, [step, ...rest]] of actors.entries()) {
    if (step === undefined) continue;
    for (const others of interleavings(...actors.with(i, rest))) yield [step, ...others];
  }
}

describe('a change and the readings that race it', () => {
  const CHANGES: Record<string, (who: Subject) => PrincipalChange> = {
    'of the session': ({ sessionId }) => ({ sessionId, userId: null }),
    'of the user': ({ userId }) => ({ sessionId: null, userId }),
    'of everything': () => ({ sessionId: null, userId: null }),
  };
  const ORDERS = [
    ...interleavings(
      ['begin A', 'read A', 'put A'],
      ['begin B', 'read B', 'put B'],
      ['commit 1', 'apply 1', 'commit 2', 'apply 2'],
    ),
  ];

  test('every order of them is tried', () => {
    expect(ORDERS).toHaveLength(4200);
    expect(new Set(ORDERS.map(String)).size).toBe(4200);
  });

  test.each(Object.keys(CHANGES))(
    '%s: whatever the order, nothing older than a change that was taken in is remembered, and what is newer is',
    async (kind) => {
      let remembered = 0;
      for (const order of ORDERS) {
        // The feed has to read in between, or the cache falls silent.
        await nextTurn();
        await eventually(() => !cache.statistics.bypassed);
        const who = subject();
        const loads: Record<string, Load> = {};
        const reads: Record<string, string> = {};
        let committed = 0;
        let applied = 0;
        for (const [verb = '', which = ''] of order.map((step) => step.split(' '))) {
          if (verb === 'begin') loads[which] = cache.beginLoad();
          if (verb === 'read') reads[which] = String(committed);
          if (verb === 'put') put(who, loads[which] as Load, record(who, reads[which] ?? ''));
          if (verb === 'commit') committed += 1;
          if (verb === 'apply') {
            feed.noteOwn(CHANGES[kind]!(who));
            applied = Number(which);
          }
          const name = nameOf(who);
          if (name !== undefined && Number(name) < applied) throw new Error(`stale: ${order.join(', ')}`);
        }
        const isSafe = ['A', 'B'].some((one) => order.indexOf(`begin ${one}`) > order.indexOf('apply 2'));
        if (nameOf(who) !== (isSafe ? '2' : undefined)) throw new Error(order.join(', '));
        if (isSafe) remembered += 1;
      }
      expect(remembered).toBeGreaterThan(100);
    },
  );

  test('a change of somebody else is no obstacle', async () => {
    await eventually(() => !cache.statistics.bypassed);
    const [who, other] = [subject(), subject()];
    const load = cache.beginLoad();
    feed.noteOwn({ sessionId: other.sessionId, userId: other.userId });
    put(who, load, record(who, 'read before'));
    expect(nameOf(who)).toBe('read before');
  });
});

describe('how long something is remembered', () => {
  const after = (milliseconds: number, read: Date): Date => new Date(read.getTime() + milliseconds);

  test.each([
    ['a minute at the most', {}, MINUTE],
    ['not past the end of the session', { expiresAt: 5_000 }, 5_000],
    ['not past its end for want of use', { idleExpiresAt: 7_000 }, 7_000],
    ['not past the end of the credential', { credentialExpiresAt: 3_000 }, 3_000],
    ['not at all when it has ended', { credentialExpiresAt: -1 }, -1],
  ])('%s', async (_, ends, milliseconds) => {
    await eventually(() => !cache.statistics.bypassed);
    const who = subject();
    const read = new Date();
    const dates = Object.fromEntries(Object.entries(ends).map(([name, end]) => [name, after(end, read)]));
    const load = cache.beginLoad();
    put(who, load, record(who, 'Ann', { readAt: read, ...dates }));
    // Judged by the deadline alone: what the feed has proven by then is another matter.
    const entry = cache.get(who.key, 'session', load.startedAt);
    expect(entry?.deadline).toBe(milliseconds > 0 ? load.startedAt + milliseconds : undefined);
    if (milliseconds > 0) expect(entry?.deadline).toBeLessThanOrEqual(load.startedAt + MINUTE);
  });

  test('for the strategy alone whose credential it is', async () => {
    await eventually(() => !cache.statistics.bypassed);
    const who = subject();
    put(who, cache.beginLoad(), record(who, 'Ann'));
    expect(cache.get(who.key, 'jwt', performance.now())).toBeUndefined();
    expect(nameOf(who)).toBe('Ann');
  });

  test('as long as the feed has proven it, on the monotonic clock and on that of the wall', async () => {
    await eventually(() => !cache.statistics.bypassed);
    const who = subject();
    put(who, cache.beginLoad(), record(who, 'Ann'));
    expect(nameOf(who, performance.now() + 801)).toBeUndefined();
    const { now } = Date;
    try {
      // A machine that was suspended: the monotonic clock has stood still.
      Date.now = () => now() + 801;
      expect(nameOf(who)).toBeUndefined();
    } finally {
      Date.now = now;
    }
    await eventually(() => !cache.statistics.bypassed);
    expect(nameOf(who)).toBe('Ann');
  });

  test('20,000 of them, the latest used, with what they are found by', async () => {
    await eventually(() => !cache.statistics.bypassed);
    const first = subject();
    put(first, cache.beginLoad(), record(first, 'first'));
    const last = subject();
    for (let i = 0; i < 20_000; i++) {
      const who = i === 19_999 ? last : subject();
      put(who, cache.beginLoad(), record(who, 'one of many'));
      if (i % 1000 === 0) await nextTurn();
    }
    expect(cache.statistics.entries).toBe(20_000);
    await eventually(() => !cache.statistics.bypassed);
    expect(nameOf(first)).toBeUndefined();
    expect(nameOf(last)).toBe('one of many');
    feed.noteOwn({ sessionId: null, userId: last.userId });
    expect(nameOf(last)).toBeUndefined();
    expect(cache.statistics.entries).toBe(19_999);
    feed.noteOwn({ sessionId: null, userId: null });
    expect(cache.statistics.entries).toBe(0);
  });
});
