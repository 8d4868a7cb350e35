import { describe, expect, test } from '@jest/globals';
import { BatchedReads } from '../../src/database/batched-reads.js';

interface Reading {
  readonly keys: readonly string[];
  readonly answer: (found: ReadonlyMap<string, string>) => void;
  readonly fail: (error: Error) => void;
}

/** Reads that are answered when the test says so. */
function reads() {
  const readings: Reading[] = [];
  const batched = new BatchedReads<string>(
    (keys) => new Promise((answer, fail) => void readings.push({ keys, answer, fail })),
  );
  return { readings, get: (key: string) => batched.get(key) };
}
const turn = () => new Promise((resolve) => void setTimeout(resolve, 1));
const found = (...keys: string[]) => new Map(keys.map((key) => [key, `found ${key}`]));

describe('BatchedReads', () => {
  test('what is asked in one turn is one statement, a key once, and nobody gets the answer of another', async () => {
    const { readings, get } = reads();
    const answers = Promise.all([get('a'), get('b'), get('a'), get('none')]);
    await turn();
    expect(readings.map(({ keys }) => keys)).toEqual([['a', 'b', 'none']]);
    readings[0]?.answer(found('a', 'b'));
    expect(await answers).toEqual(['found a', 'found b', 'found a', null]);
  });

  test('whoever asks while a key is being read is answered by a reading that begins later', async () => {
    const { readings, get } = reads();
    const first = get('a');
    await turn();
    const second = get('a');
    await turn();
    expect(readings.length).toBe(2);
    readings[1]?.answer(new Map());
    readings[0]?.answer(found('a'));
    expect(await Promise.all([first, second])).toEqual(['found a', null]);
  });

  test('at most four statements at once; what comes then goes together, a hundred keys at a time', async () => {
    const { readings, get } = reads();
    const early: Promise<unknown>[] = [];
    for (let i = 0; i < 4; i++) {
      early.push(get(`early ${i}`));
      await turn();
    }
    const late = Array.from({ length: 150 }, (_, i) => get(`late ${i}`));
    await turn();
    expect(readings.length).toBe(4);
    readings[2]?.answer(new Map());
    await turn();
    expect(readings.length).toBe(5);
    expect(readings[4]?.keys.length).toBe(100);
    for (const reading of readings) reading.answer(new Map());
    await turn();
    readings[5]?.answer(found('late 149'));
    const answers = await Promise.all(late);
    expect(answers.at(-1)).toBe('found late 149');
    expect(await Promise.all(early)).toEqual([null, null, null, null]);
  });

  test('an error is of those alone that shared the reading, and the next one goes on', async () => {
    const { readings, get } = reads();
    const failed = Promise.allSettled([get('a'), get('b')]);
    await turn();
    readings[0]?.fail(new Error('lost'));
    expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const next = get('a');
    await turn();
    readings[1]?.answer(found('a'));
    expect(await next).toBe('found a');
  });
});
