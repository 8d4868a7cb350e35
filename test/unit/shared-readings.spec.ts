import { describe, expect, test } from '@jest/globals';
import { SharedReadings } from '../../src/database/shared-readings.js';

/** Readings that end when the test says so, each with its number. */
function readings() {
  const pending: { resolve: (number: number) => void; reject: (error: Error) => void }[] = [];
  const shared = new SharedReadings<number>();
  return {
    ask: (key = 'a') =>
      shared.read(key, () => new Promise((resolve, reject) => void pending.push({ resolve, reject }))),
    end: async (number: number, error?: Error) => {
      if (error) pending[number - 1]?.reject(error);
      else pending[number - 1]?.resolve(number);
      await new Promise(setImmediate);
    },
  };
}

describe('SharedReadings', () => {
  test('whoever asks while a reading is under way shares the next one, and never that one', async () => {
    const { ask, end } = readings();
    const first = ask();
    const herd = Array.from({ length: 100 }, () => ask());
    await end(1);
    expect(await first).toBe(1);
    const late = ask();
    await end(2);
    expect(new Set(await Promise.all(herd))).toEqual(new Set([2]));
    await end(3);
    expect(await late).toBe(3);
  });

  test('what is asked after all has ended is read anew', async () => {
    const { ask, end } = readings();
    for (const number of [1, 2, 3]) {
      const answer = ask();
      await end(number);
      expect(await answer).toBe(number);
    }
  });

  test('other questions wait for nothing', async () => {
    const { ask, end } = readings();
    const [a, b] = [ask('a'), ask('b')];
    await end(2);
    expect(await b).toBe(2);
    await end(1);
    expect(await a).toBe(1);
  });

  test('an error is of those alone that shared the reading', async () => {
    const { ask, end } = readings();
    const first = ask();
    const second = ask();
    const failed = expect(first).rejects.toThrow('lost');
    await end(1, new Error('lost'));
    await failed;
    await end(2);
    expect(await second).toBe(2);
  });
});
