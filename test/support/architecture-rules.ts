import type { Import } from './source-tree.js';

/**
 * The folders of src from the bottom up. A file may import its own folder and every layer below, never a neighbour and never
 * what stands above. `.` are the files of src itself, where everything is put together, but for those that are named.
 */
export const LAYERS: readonly (readonly string[])[] = [
  ['openapi'],
  ['principal'],
  ['config'],
  ['http'],
  ['database'],
  ['events', 'feed'],
  ['users', 'keys', 'passwords', 'security'],
  ['sessions'],
  ['auth'],
  ['docs', 'health', 'metrics', 'entities.ts'],
  ['cli'],
  ['.'],
];

/** Packages that stay where they are needed, by what the importing path must begin with. */
export const CONFINED: Readonly<Record<string, readonly string[]>> = {
  'express-session': ['src/auth/strategies/'],
  'cookie-signature': ['src/auth/strategies/'],
  'passport-jwt': ['src/auth/strategies/'],
  'passport-local': ['src/auth/local.strategy.ts'],
  passport: ['src/auth/passport.ts'],
  '@nestjs/passport': ['src/auth/'],
  '@nestjs/jwt': ['src/auth/'],
  argon2: ['src/passwords/'],
  pg: ['src/database/'],
  pino: ['src/http/logger.ts'],
  // What takes long to load, and is not always wanted.
  '@nestjs/swagger': ['src/docs/', 'src/openapi/', 'src/http/problem.schema.ts'],
  'prom-client': ['src/metrics/'],
};

/** The arrows that point the wrong way, in words. */
export function wrongArrows(imports: readonly Import[], layers = LAYERS): string[] {
  return imports.flatMap(({ from, to }) => {
    if (!to.startsWith('src/'))
      return to.includes('/../') || isOutside(to) ? [`${from} leaves src: ${to}`] : [];
    const [source, target] = [folderOf(from, layers), folderOf(to, layers)];
    const [above, below] = [layerOf(source, layers), layerOf(target, layers)];
    if (above === -1) return [`${from}: say where ${source}/ stands, in test/support/architecture-rules.ts`];
    if (source === target || below < above) return below === -1 ? [`${to}: no layer`] : [];
    return [`${from} must not import ${to}`];
  });
}

/** Imports of packages outside of where they belong. */
export function strayPackages(imports: readonly Import[], confined = CONFINED): string[] {
  return imports
    .filter(({ from, to }) => confined[to]?.every((prefix) => !from.startsWith(prefix)))
    .map(({ from, to }) => `${from} must not import ${to}`);
}

/** Files that need each other when the program runs: each cycle as the files along it. */
export function cycles(imports: readonly Import[]): string[][] {
  const graph = new Map<string, string[]>();
  for (const { from, to, typeOnly } of imports) {
    if (!typeOnly) graph.set(from, [...(graph.get(from) ?? []), to]);
  }
  const found: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    const start = way.indexOf(file);
    if (start !== -1) found.push([...way.slice(start), file]);
    if (start !== -1 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...way, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

/** The middle of the numbers; of an even count the upper one of the two in the middle. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

function folderOf(path: string, layers: typeof LAYERS): string {
  const [, first = '', ...rest] = path.split('/');
  return rest.length > 0 || layerOf(first, layers) !== -1 ? first : '.';
}

function layerOf(folder: string, layers: typeof LAYERS): number {
  return layers.findIndex((layer) => layer.includes(folder));
}

/** Relative imports that end up elsewhere in the project: `migrations/`, `test/`. */
function isOutside(to: string): boolean {
  return to.startsWith('..') || to.endsWith('.ts');
}
