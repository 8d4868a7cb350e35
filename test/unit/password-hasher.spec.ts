import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { argon2i, argon2id, hash as argon2Hash } from 'argon2';
import { threadPoolSize } from '../../src/config/thread-pool.js';
import { Problem } from '../../src/http/problem.js';
import { HashQueue } from '../../src/passwords/hash-queue.js';
import { PasswordHasher } from '../../src/passwords/password-hasher.js';
import { parseStoredHash } from '../../src/passwords/stored-hash.js';

function hasher(hashConcurrency = 2, hashQueue = 64): PasswordHasher {
  return new PasswordHasher({ passwords: { minLength: 15, hashConcurrency, hashQueue, hashNice: 0 } });
}

/** The code of the problem that a promise rejects with. */
async function problemOf(promise: Promise<unknown>): Promise<string> {
  const reason: unknown = await promise.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  );
  return reason instanceof Problem ? reason.code : String(reason);
}

const CHEAP = { type: argon2id, memoryCost: 64, timeCost: 2, parallelism: 1 } as const;
const TAG = 'A'.repeat(43);
const SALT = 'c'.repeat(22);

describe('PasswordHasher', () => {
  const passwords = hasher();
  const right = 'correct horse battery staple';
  let stored: string;

  beforeAll(async () => {
    stored = await passwords.hash(right);
  });

  it('hashes with argon2id, 19 MiB, two passes, one lane, a salt of its own', async () => {
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(await passwords.hash(right)).not.toBe(stored);
    expect(passwords.needsRehash(stored)).toBe(false);
  });

  it('verifies the right password and no other', async () => {
    expect(await passwords.verify(stored, right)).toBe(true);
    for (const wrong of ['', `${right} `, right.toUpperCase(), right.slice(0, -1)]) {
      expect(await passwords.verify(stored, wrong)).toBe(false);
    }
  });

  it.each([
    ['IV22 128 characters and their first 127', 'a'.repeat(128), 'a'.repeat(127)],
    ['IV22 64 characters and their first 63', 'a'.repeat(64), 'a'.repeat(63)],
    ['IV23 what comes after 72 bytes', `${'a'.repeat(72)}X`, `${'a'.repeat(72)}Y`],
    ['128 emoji and 127', '\u{1f600}'.repeat(128), '\u{1f600}'.repeat(127)],
    ['full width and plain', '\uff21 long enough one', 'A long enough one'],
    ['IV28 U+FFFD and an unpaired surrogate', 'a long enough one \ufffd', 'a long enough one \ud800'],
    ['IV26 with and without a NUL at the end', 'a long enough one', 'a long enough one\0'],
  ])('tells apart %s', async (_name, password, other) => {
    const hash = await passwords.hash(password);
    expect(await passwords.verify(hash, other)).toBe(false);
    expect(await passwords.verify(hash, password)).toBe(true);
  });

  it('takes every normal form of an accent for the same password', async () => {
    const hash = await passwords.hash('Cafe\u0301 au lait, s\u2019il vous pla\u00eet');
    expect(await passwords.verify(hash, 'Caf\u00e9 au lait, s\u2019il vous plai\u0302t')).toBe(true);
  });

  it.each([
    ['IV25 16,384 variation selectors', '\ufe0f'.repeat(16_384)],
    ['IV26 NUL', 'a long enough\0one'],
    ['IV28 an unpaired surrogate', 'a long enough one \ud800'],
    ['129 characters', 'a'.repeat(129)],
  ])('never hashes %s', async (_name, password) => {
    await expect(passwords.hash(password)).rejects.toThrow(TypeError);
    expect(await passwords.verify(stored, password)).toBe(false);
    expect(passwords.running + passwords.waiting).toBe(0);
  });

  it('IV26 IV28 finds a password that cannot be hashed wrong even for the hash of nothing', async () => {
    const empty = await argon2Hash('', CHEAP);
    expect(await passwords.verify(empty, '')).toBe(true);
    for (const password of ['\0', '\ud800']) expect(await passwords.verify(empty, password)).toBe(false);
  });

  it('EN01 knows no password of an unknown user', async () => {
    for (const password of ['', right, 'password'])
      expect(await passwords.verify(null, password)).toBe(false);
  });

  const MALFORMED: [string, string][] = [
    ['empty', ''],
    ['a word', 'x'],
    ['bcrypt', '$2b$10$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghijk'],
    ['scrypt', `$scrypt$ln=16,r=8,p=1$${SALT}$${TAG}`],
    ['no tag', `$argon2id$v=19$m=19456,t=2,p=1$${SALT}`],
    ['an empty tag', `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$`],
    ['a tag of 3 bytes', `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$AAAA`],
    ['a salt of 3 bytes', `$argon2id$v=19$m=19456,t=2,p=1$AAAA$${TAG}`],
    ['no memory', `$argon2id$v=19$m=4,t=2,p=1$${SALT}$${TAG}`],
    ['4 TiB of memory', `$argon2id$v=19$m=4294967295,t=2,p=1$${SALT}$${TAG}`],
    ['no passes', `$argon2id$v=19$m=19456,t=0,p=1$${SALT}$${TAG}`],
    ['an unknown version', `$argon2id$v=18$m=19456,t=2,p=1$${SALT}$${TAG}`],
    ['a parameter too many', `$argon2id$v=19$m=19456,t=2,p=1,data=AAAA$${SALT}$${TAG}`],
    ['a line break behind', `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$${TAG}\n`],
    ['not base64', `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$${'A'.repeat(41)}=!`],
    ['a length that base64 does not have', `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$${'A'.repeat(45)}`],
  ];
  it.each(MALFORMED)(
    'takes a stored hash that is malformed for a wrong password: %s',
    async (_name, text) => {
      expect(await passwords.verify(text, right)).toBe(false);
      expect(passwords.needsRehash(text)).toBe(true);
    },
  );

  it('EN02 takes the same time for an unknown user, a wrong password and a malformed hash', async () => {
    const times: Record<string, number[]> = { wrong: [], unknown: [], malformed: [], unfit: [] };
    const cases: [string, string | null, string][] = [
      ['wrong', stored, 'a wrong passphrase'],
      ['unknown', null, 'a wrong passphrase'],
      ['malformed', 'x', 'a wrong passphrase'],
      ['unfit', stored, 'a wrong\0passphrase'],
    ];
    const ratios = () => {
      const [wrong = NaN, ...others] = cases.map(([name]) => Math.min(...(times[name] ?? [])));
      return others.map((fastest) => fastest / wrong);
    };
    const isAlike = (ratio: number) => ratio > 0.7 && ratio < 1.4;
    // Taken in turn, and the fastest of each counts: a busy machine can only add to a time, and takes longer to show it.
    for (let round = 0; round < 21 || (round < 105 && !ratios().every(isAlike)); round += 1) {
      for (const [name, hash, password] of cases) {
        const start = performance.now();
        await passwords.verify(hash, password);
        times[name]?.push(performance.now() - start);
      }
    }
    expect(ratios().filter((ratio) => !isAlike(ratio))).toEqual([]);
  }, 120_000);

  it.each([
    ['less memory', { ...CHEAP }],
    ['fewer passes', { ...CHEAP, memoryCost: 19_456, timeCost: 1 }],
    ['another variant', { ...CHEAP, memoryCost: 19_456, type: argon2i }],
    ['an older version', { ...CHEAP, memoryCost: 19_456, version: 16 }],
    ['a shorter salt', { ...CHEAP, memoryCost: 19_456, salt: Buffer.from('12345678') }],
    ['a shorter tag', { ...CHEAP, memoryCost: 19_456, hashLength: 16 }],
  ])('verifies and then replaces a hash with %s', async (_name, options) => {
    const weaker = await argon2Hash(right, options);
    expect(await passwords.verify(weaker, right)).toBe(true);
    expect(await passwords.verify(weaker, 'a wrong passphrase')).toBe(false);
    expect(passwords.needsRehash(weaker)).toBe(true);
  });

  it('leaves a stronger hash alone', async () => {
    const stronger = await argon2Hash(right, {
      type: argon2id,
      memoryCost: 20_480,
      timeCost: 3,
      parallelism: 4,
    });
    expect(await passwords.verify(stronger, right)).toBe(true);
    expect(passwords.needsRehash(stronger)).toBe(false);
  });

  it('BR16 of 300 at once serves what fits and refuses the rest at once', async () => {
    const small = hasher(2, 8);
    const settled: ('served' | 'refused')[] = [];
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        small.verify(index % 2 === 0 ? stored : null, right).then(
          (matches) => {
            settled.push('served');
            return matches;
          },
          (error: unknown) => {
            settled.push('refused');
            if (!(error instanceof Problem)) throw error;
            expect(error.retryAfterSeconds).toBeGreaterThanOrEqual(1);
            expect(error.retryAfterSeconds).toBeLessThanOrEqual(3);
            return error.code;
          },
        ),
      ),
    );
    const served = small.concurrency + 8;
    expect(answers.filter((answer) => answer === 'overloaded')).toHaveLength(300 - served);
    expect(answers.slice(0, served)).toEqual(Array.from({ length: served }, (_, index) => index % 2 === 0));
    // At once: every refusal is there before the first hash is done.
    expect(settled.indexOf('served')).toBe(300 - served);
    expect([small.running, small.waiting]).toEqual([0, 0]);
    expect(await small.verify(stored, right)).toBe(true);
  });

  it('leaves the event loop free while it hashes', async () => {
    let ticks = 0;
    let done = false;
    const work = Promise.all(Array.from({ length: 8 }, () => passwords.verify(null, right))).then(
      () => (done = true),
    );
    while (!done) {
      ticks += 1;
      await setImmediate();
    }
    await work;
    expect(ticks).toBeGreaterThan(100);
  });

  it('waits for what is under way when the application ends', async () => {
    const work = Promise.all([1, 2, 3, 4].map(() => passwords.hash(right)));
    expect(passwords.running + passwords.waiting).toBe(4);
    await passwords.onApplicationShutdown();
    expect([passwords.running, passwords.waiting]).toEqual([0, 0]);
    expect(await work).toHaveLength(4);
  });

  it('takes a stored hash that demands more than 1 GiB for malformed', () => {
    const greedy = `$argon2id$v=19$m=1048576,t=1,p=1$${SALT}$${TAG}`;
    expect(parseStoredHash(greedy)?.memoryCost).toBe(1_048_576);
    expect(parseStoredHash(greedy.replace('1048576', '1048577'))).toBeNull();
  });

  it('never runs more at once than libuv has threads for', () => {
    expect(hasher(1_000).concurrency).toBe(Math.max(1, threadPoolSize() - 1));
    expect(hasher(1).concurrency).toBe(1);
  });
});

describe('threadPoolSize', () => {
  it.each([
    [undefined, 4],
    ['8', 8],
    ['1', 1],
    ['0', 1],
    ['-3', 1],
    ['many', 1],
    ['', 1],
    ['5000', 1024],
  ])('reads %s as %d', (value, expected) => {
    expect(threadPoolSize({ UV_THREADPOOL_SIZE: value })).toBe(expected);
  });
});

describe('HashQueue', () => {
  /** Jobs that end when told to, and the order in which they began. */
  function jobs() {
    const began: number[] = [];
    const ends: (() => void)[] = [];
    const job = (id: number) => () => {
      began.push(id);
      return new Promise<number>((resolve) => (ends[id] = () => resolve(id)));
    };
    return { began, job, end: (id: number) => ends[id]?.() };
  }

  it('runs so many at once, lets so many wait, refuses the rest, and serves in order', async () => {
    const queue = new HashQueue(2, 3);
    const { began, job, end } = jobs();
    const results = [0, 1, 2, 3, 4].map((id) => queue.run(job(id)));
    expect([queue.running, queue.waiting]).toEqual([2, 3]);
    expect(await problemOf(queue.run(job(5)))).toBe('overloaded');
    expect(began).toEqual([0, 1]);
    for (const id of [1, 0, 2, 3, 4]) {
      end(id);
      await setImmediate();
      expect(queue.running).toBeLessThanOrEqual(2);
    }
    expect(began).toEqual([0, 1, 2, 3, 4]);
    expect(await Promise.all(results)).toEqual([0, 1, 2, 3, 4]);
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });

  it('does not let a newcomer pass those who wait', async () => {
    const queue = new HashQueue(1, 5);
    const { began, job, end } = jobs();
    const first = [0, 1].map((id) => queue.run(job(id)));
    end(0);
    const newcomer = queue.run(job(2));
    for (const id of [1, 2]) {
      await setImmediate();
      end(id);
    }
    await Promise.all([...first, newcomer]);
    expect(began).toEqual([0, 1, 2]);
  });

  it('keeps its place free after a job that fails, at once or later', async () => {
    const queue = new HashQueue(1, 5);
    const failing = [
      queue.run(() => Promise.reject(new RangeError('later'))),
      queue.run(() => {
        throw new RangeError('at once');
      }),
    ];
    for (const failed of failing) await expect(failed).rejects.toThrow(RangeError);
    expect(await queue.run(() => Promise.resolve('next'))).toBe('next');
    expect(queue.running).toBe(0);
  });

  it('lets nobody wait where the capacity is 0', async () => {
    const queue = new HashQueue(1, 0);
    const { job, end } = jobs();
    const first = queue.run(job(0));
    expect(await problemOf(queue.run(job(1)))).toBe('overloaded');
    end(0);
    expect(await first).toBe(0);
  });

  it('drops a job whose client goes away while it waits, and gives its place to another', async () => {
    const queue = new HashQueue(1, 1);
    const { began, job, end } = jobs();
    const client = new AbortController();
    const first = queue.run(job(0));
    const gone = queue.run(job(1), client.signal);
    client.abort();
    expect(await problemOf(gone)).toBe('request_timeout');
    expect(queue.waiting).toBe(0);
    const third = queue.run(job(2));
    end(0);
    await setImmediate();
    end(2);
    expect(await Promise.all([first, third])).toEqual([0, 2]);
    expect(began).toEqual([0, 2]);
  });

  it('drops a job whose client goes away in the moment that its turn comes', async () => {
    const queue = new HashQueue(1, 1);
    const { began, job, end } = jobs();
    const client = new AbortController();
    const first = queue.run(job(0));
    const gone = queue.run(job(1), client.signal);
    end(0);
    // Runs after the place was handed over and before the job could begin.
    queueMicrotask(() => client.abort());
    expect(await problemOf(gone)).toBe('request_timeout');
    expect(await first).toBe(0);
    expect([queue.running, queue.waiting, began]).toEqual([0, 0, [0]]);
  });

  it('does not begin for a client that is gone already, and does not stop for one that leaves later', async () => {
    const queue = new HashQueue(1, 1);
    const { began, job, end } = jobs();
    expect(await problemOf(queue.run(job(0), AbortSignal.abort()))).toBe('request_timeout');
    const client = new AbortController();
    const running = queue.run(job(1), client.signal);
    client.abort();
    end(1);
    expect(await running).toBe(1);
    expect(began).toEqual([1]);
    expect(queue.running).toBe(0);
  });

  it('sends away who waits when it ends, and who would have to; what runs goes on', async () => {
    const queue = new HashQueue(1, 2);
    const { began, job, end } = jobs();
    const client = new AbortController();
    const running = queue.run(job(0));
    const waiting = [queue.run(job(1), client.signal), queue.run(job(2))];
    queue.refuseWaiting();
    for (const each of waiting) expect(await problemOf(each)).toBe('overloaded');
    expect(await problemOf(queue.run(job(3)))).toBe('overloaded');
    client.abort();
    end(0);
    expect(await running).toBe(0);
    expect([began, queue.running, queue.waiting]).toEqual([[0], 0, 0]);
  });

  it('drains when nothing runs or waits any more', async () => {
    const queue = new HashQueue(1, 2);
    const { job, end } = jobs();
    await queue.drain();
    const work = [queue.run(job(0)), queue.run(job(1))];
    let drained = false;
    const draining = queue.drain().then(() => (drained = true));
    end(0);
    await setImmediate();
    expect(drained).toBe(false);
    end(1);
    await Promise.all([...work, draining]);
    expect(drained).toBe(true);
  });
});
