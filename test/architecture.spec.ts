import { describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { cycles, median, strayPackages, wrongArrows } from './support/architecture-rules.js';
import { type Source, parseSource, readSources } from './support/source-tree.js';

const ROOT = join(import.meta.dirname, '..');
const MAX_LINES = 250;
const MEDIAN_LINES = 60;
const LONGER_BECAUSE = /^(?:\/\/|\/\*\*?|\s\*)? ?Longer than 250 lines because \S/m;
const BARREL = 'src/auth/strategies/index.ts';

const src = readSources(ROOT, 'src');
const migrations = readSources(ROOT, 'migrations');
const tests = readSources(ROOT, 'test');
const imports = src.flatMap((source) => source.imports);

const pathsOf = (sources: readonly Source[]): string[] => sources.map(({ path }) => path);

describe('src', () => {
  test('dependencies point one way', () => {
    expect(src.length).toBeGreaterThan(100);
    expect(wrongArrows(imports)).toEqual([]);
  });

  test('no file needs, by whatever way, a file that needs it', () => {
    expect(cycles(imports).map((cycle) => cycle.join(' -> '))).toEqual([]);
  });

  test('packages with a place stay there', () => {
    expect(strayPackages(imports)).toEqual([]);
  });

  test('no forwardRef: whoever needs it has an arrow in the wrong direction', () => {
    expect(pathsOf(src.filter(({ text }) => /\bforwardRef\b/.test(text)))).toEqual([]);
  });

  test('no barrels but the list of strategies', () => {
    const barrels = src.filter(({ path, hasStarExport }) => hasStarExport || path.endsWith('/index.ts'));
    expect(pathsOf(barrels)).toEqual([BARREL]);
  });

  test(`files are short: at most ${MAX_LINES} lines without a reason at their top, the median at most ${MEDIAN_LINES}`, () => {
    const long = src.filter(
      ({ lines, text }) => lines > MAX_LINES && !LONGER_BECAUSE.test(text.slice(0, 300)),
    );
    expect(pathsOf(long)).toEqual([]);
    expect(median(src.map(({ lines }) => lines))).toBeLessThanOrEqual(MEDIAN_LINES);
  });
});

test('exports have names everywhere: a default export has another one in each file that imports it', () => {
  const all = [...src, ...migrations, ...tests];
  expect(pathsOf(all.filter(({ hasDefaultExport }) => hasDefaultExport))).toEqual([]);
});

test('no note to ourselves is left lying about', () => {
  const note = /\b(?:TO-?DO|FIX-?ME|X{3})\b/;
  expect(pathsOf([...src, ...migrations, ...tests].filter(({ text }) => note.test(text)))).toEqual([]);
});

test('src takes nothing from the tests, and migrations take nothing from src: a migration must not change with the code', () => {
  expect(migrations.flatMap((source) => source.imports).filter(({ to }) => to.startsWith('src/'))).toEqual(
    [],
  );
  expect(imports.filter(({ to }) => to.startsWith('test/'))).toEqual([]);
});

/** The checks must be able to fail: each is shown a tree that breaks its rule. */
describe('the checks themselves', () => {
  const parse = (path: string, text: string) => parseSource(path, text);
  const arrow = (from: string, to: string, typeOnly = false) => ({ from, to, typeOnly });

  test.each([
    ['a feature that knows auth', 'src/users/users.service.ts', 'src/auth/auth.service.ts'],
    ['a leaf that knows anything', 'src/principal/decorators.ts', 'src/config/app-config.ts'],
    ['a feature that knows its neighbour', 'src/users/users.service.ts', 'src/keys/key-ring.ts'],
    ['a folder that knows the root', 'src/http/logger.ts', 'src/entities.ts'],
    ['a folder that nobody has placed', 'src/novelty/novelty.ts', 'src/config/app-config.ts'],
    ['the use of a folder that nobody has placed', 'src/auth/auth.guard.ts', 'src/novelty/novelty.ts'],
    ['a way out of src', 'src/auth/auth.guard.ts', 'test/support/test-app.ts'],
  ])('%s is found', (_, from, to) => {
    expect(wrongArrows([arrow(from, to)])).toHaveLength(1);
    expect(wrongArrows([arrow(from, to, true)])).toHaveLength(1);
  });

  test.each([
    ['src/auth/auth.guard.ts', 'src/principal/principal.ts'],
    ['src/sessions/session.entity.ts', 'src/users/user.entity.ts'],
    ['src/auth/strategies/jwt.strategy.ts', 'src/auth/auth-strategy.ts'],
    ['src/main.ts', 'src/configure-app.ts'],
    ['src/http/problem.ts', '@nestjs/common'],
    ['src/http/problem.ts', 'node:net'],
  ])('%s may import %s', (from, to) => {
    expect(wrongArrows([arrow(from, to)])).toEqual([]);
  });

  test('a cycle is found however long it is, unless only types go round', () => {
    const around = [arrow('a', 'b'), arrow('b', 'c'), arrow('c', 'a'), arrow('c', 'd')];
    expect(cycles(around)).toEqual([['a', 'b', 'c', 'a']]);
    expect(cycles([...around.slice(0, 2), arrow('c', 'a', true)])).toEqual([]);
  });

  test('a package out of its place is found', () => {
    expect(strayPackages([arrow('src/users/users.service.ts', 'argon2')])).toHaveLength(1);
    expect(strayPackages([arrow('src/passwords/password-hasher.ts', 'argon2')])).toEqual([]);
  });

  test('imports are read as the compiler reads them', () => {
    const { imports: found } = parse(
      'src/auth/x.ts',
      `import { a } from '../users/a.js'; import type { b } from './b.js'; import { type c } from 'c';
       import './d.js'; export { e } from './e.js'; import f, { type g } from 'f';
       async function later() { await import('./h.js'); }
       // import { no } from './comment.js'
       const text = "import { no } from './string.js'";`,
    );
    expect(found.map(({ to, typeOnly }) => `${to}${typeOnly ? ' (type)' : ''}`)).toEqual([
      'src/users/a.ts',
      'src/auth/b.ts (type)',
      'c (type)',
      'src/auth/d.ts',
      'src/auth/e.ts',
      'f',
      'src/auth/h.ts',
    ]);
  });

  test('default exports and barrels are found in each of their spellings', () => {
    const spellings = [
      'export default 1;',
      'export default class {}',
      'const a = 1; export { a as default };',
    ];
    for (const text of spellings) expect(parse('src/x.ts', text).hasDefaultExport).toBe(true);
    expect(parse('src/x.ts', 'export const a = 1;').hasDefaultExport).toBe(false);
    expect(parse('src/x.ts', "export * from './y.js';").hasStarExport).toBe(true);
    expect(parse('src/x.ts', "export { y } from './y.js';").hasStarExport).toBe(false);
  });

  test('a reason for a long file is one that says something', () => {
    expect(LONGER_BECAUSE.test('// Longer than 250 lines because it is a table.')).toBe(true);
    expect(LONGER_BECAUSE.test('// Longer than 250 lines because')).toBe(false);
    expect(median([1, 9, 5])).toBe(5);
  });
});
