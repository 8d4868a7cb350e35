// How imports of a strategy outside of the tree are understood: a file beside it first, then as if it stood among the strategies,
// then by what follows `src/`. Packages are Latchkey's own: a second copy of Nest would know other classes.
import { existsSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const STRATEGIES = join(ROOT, 'src/auth/strategies');
/** The folder that the file came from; what is run is a copy of it. */
const ORIGIN = process.env.LATCHKEY_STRATEGY_ORIGIN;
const ENDINGS = ['', '.ts', '.mjs', '.js'];

export function sync(request, options) {
  const outside = !options.basedir.startsWith(ROOT + sep);
  if (outside && /^\.\.?\//.test(request)) {
    const found = candidates(request, options.basedir).find((path) => existsSync(path));
    return options.defaultResolver(found ?? request, options);
  }
  if (outside) {
    try {
      return options.defaultResolver(request, { ...options, basedir: STRATEGIES });
    } catch {
      // A package of the strategy's own.
      return options.defaultResolver(request, ORIGIN ? { ...options, basedir: ORIGIN } : options);
    }
  }
  return options.defaultResolver(request, options);
}

function candidates(request, basedir) {
  const afterSrc = /(?:^|\/)src\/(.*)$/.exec(request)?.[1];
  const folders = [...new Set([ORIGIN ?? basedir, basedir, STRATEGIES])];
  const paths = folders.map((folder) => resolve(folder, request));
  if (afterSrc !== undefined) paths.push(join(ROOT, 'src', afterSrc));
  return paths.flatMap((path) => ENDINGS.map((ending) => path.replace(/\.js$/, '') + ending));
}
