import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CounterStore } from '../../src/throttle/counter-store.js';
import type { Limit } from '../../src/throttle/limits.js';
import { eventually } from '../support/processes.js';

/** A store of its own for the suite, and what it is made on. */
export interface StoreUnderTest {
  readonly store: CounterStore;
  /** Another node's view of the same counters; null for a store that is of one process. */
  readonly other: CounterStore | null;
  readonly close: () => Promise<void>;
}

const THREE: Limit = { name: 'three', points: 3, windowSeconds: 600 };
const SHORT: Limit = { name: 'short', points: 2, windowSeconds: 1 };

/** What every store of counters does, wherever it keeps them. */
export function counterStoreConformance(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`a store of counters: ${name}`, () => {
    let subject: StoreUnderTest;
    let store: CounterStore;
    beforeAll(async () => {
      subject = await open();
      ({ store } = subject);
    });
    afterAll(() => subject.close());

    const takes = async (key: string, count: number, limit = THREE): Promise<boolean[]> => {
      const granted: boolean[] = [];
      for (let i = 0; i < count; i++) granted.push((await store.take(limit, key)).granted);
      return granted;
    };

    test('grants as many as the limit has, then none', async () => {
      expect(await takes('a', 5)).toEqual([true, true, true, false, false]);
    });

    test('says how many are left, and for how long', async () => {
      expect(await store.standing(THREE, 'b')).toEqual({ limit: THREE, remaining: 3, resetSeconds: 0 });
      const first = await store.take(THREE, 'b');
      expect(first).toMatchObject({ limit: THREE, granted: true, remaining: 2 });
      expect(first.resetSeconds).toBeGreaterThan(500);
      expect(first.resetSeconds).toBeLessThanOrEqual(600);
      await takes('b', 2);
      const refused = await store.take(THREE, 'b');
      expect(refused).toMatchObject({ granted: false, remaining: 0 });
      expect(refused.resetSeconds).toBeGreaterThan(500);
      const standing = await store.standing(THREE, 'b');
      expect(standing.remaining).toBe(0);
      expect(standing.resetSeconds).toBeGreaterThan(500);
      expect(standing.resetSeconds).toBeLessThanOrEqual(600);
    });

    test('a look counts nothing', async () => {
      for (let i = 0; i < 5; i++) await store.standing(THREE, 'c');
      expect(await takes('c', 4)).toEqual([true, true, true, false]);
    });

    test('in parallel it grants exactly as many', async () => {
      const taken = await Promise.all(Array.from({ length: 20 }, () => store.take(THREE, 'd')));
      expect(taken.filter(({ granted }) => granted)).toHaveLength(3);
    });

    test('a refusal leaves no trace: what is given back can be taken again', async () => {
      await takes('e', 8);
      await store.giveBack(THREE, 'e');
      expect((await store.standing(THREE, 'e')).remaining).toBe(1);
      expect(await takes('e', 2)).toEqual([true, false]);
    });

    test('nobody gains by giving back what was not taken', async () => {
      for (let i = 0; i < 3; i++) await store.giveBack(THREE, 'f');
      expect((await store.standing(THREE, 'f')).remaining).toBe(3);
      expect(await takes('f', 4)).toEqual([true, true, true, false]);
      for (let i = 0; i < 5; i++) await store.giveBack(THREE, 'f');
      expect(await takes('f', 4)).toEqual([true, true, true, false]);
    });

    test('what is forgotten begins anew', async () => {
      await takes('g', 4);
      await store.reset(THREE, 'g');
      await store.reset(THREE, 'never seen');
      expect(await takes('g', 4)).toEqual([true, true, true, false]);
    });

    test("many counters at once, in opposite orders, on two nodes where there are two, do not get in each other's way", async () => {
      const wide: Limit = { name: 'wide', points: 1000, windowSeconds: 600 };
      const keys = Array.from({ length: 8 }, (_, i) => `wide ${i}`);
      const other = subject.other ?? store;
      const both = <T>(work: (node: CounterStore, key: string) => Promise<T>): Promise<T[]> =>
        Promise.all([
          ...keys.map((key) => work(store, key)),
          ...keys.toReversed().map((key) => work(other, key)),
        ]);
      for (let round = 0; round < 200; round++) {
        const taken = await both((node, key) => node.take(wide, key));
        expect(taken.every(({ granted }) => granted)).toBe(true);
        if (round % 2 === 0) await both((node, key) => node.giveBack(wide, key));
      }
      for (const key of keys) expect((await store.standing(wide, key)).remaining).toBe(1000 - 2 * 100);
    });

    test('limits and keys are counted apart', async () => {
      await takes('h', 4);
      expect(await takes('i', 1)).toEqual([true]);
      expect(await takes('h', 1, { ...THREE, name: 'another' })).toEqual([true]);
    });

    test('a window ends by itself, and giving back after that gives nothing', async () => {
      await eventually(async () => !(await store.take(SHORT, 'j')).granted);
      await eventually(async () => (await store.standing(SHORT, 'j')).remaining === SHORT.points);
      await store.giveBack(SHORT, 'j');
      expect((await store.standing(SHORT, 'j')).remaining).toBe(SHORT.points);
      expect((await store.take(SHORT, 'j')).granted).toBe(true);
    });

    test('a key may hold what an address or a hash holds', async () => {
      for (const key of ['2001:db8::/64', 'a_B-9:x', "x'; DROP TABLE users; --"]) {
        expect(await takes(key, 4)).toEqual([true, true, true, false]);
      }
    });

    test('it can say that it is there', async () => {
      await expect(store.probe()).resolves.toBeUndefined();
    });

    test('BR10 nodes count together, unless it is of one process', async () => {
      const { other } = subject;
      if (other === null) return;
      expect((await other.take(THREE, 'k')).granted).toBe(true);
      const both = await Promise.all(
        Array.from({ length: 10 }, (_, i) => (i % 2 ? store : other).take(THREE, 'k')),
      );
      expect(both.filter(({ granted }) => granted)).toHaveLength(2);
      await other.giveBack(THREE, 'k');
      expect((await store.take(THREE, 'k')).granted).toBe(true);
    });
  });
}
