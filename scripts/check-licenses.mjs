// npm run check:licenses: every package that an installation brings along (package-lock.json, development packages left out) has a licence
// that asks for no more than to be named. Exit code: 0 all have, 1 one has not. A folder may be given instead of this project's.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** SPDX names. */
const ALLOWED = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'PostgreSQL',
  'Python-2.0',
  'Unlicense',
];

/** Packages that do not say it where npm looks, by what was read instead. For these versions only. */
const READ_BY_US = {
  'pause@0.0.1': ['MIT', 'its Readme.md'],
};

const folder = resolve(process.argv[2] ?? join(import.meta.dirname, '..'));
const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
const found = Object.entries(packages)
  .filter(([path, { dev, link }]) => path !== '' && !dev && !link)
  .map(([path, entry]) => ({
    id: `${entry.name ?? path.split('node_modules/').at(-1)}@${entry.version}`,
    license: entry.license ?? installedLicense(path),
  }))
  .map(({ id, license }) => ({ id, license: READ_BY_US[id]?.[0] ?? license }));
const refused = found.filter(({ license }) => !isAllowed(license));

for (const { id, license } of refused) console.error(`${id}: ${license ?? 'says nothing'} is not allowed`);
const kinds = [...new Set(found.map(({ license }) => license))].sort().join(', ');
console.log(`${found.length} packages, ${refused.length} refused; licences: ${kinds}`);
process.exitCode = refused.length > 0 || found.length === 0 ? 1 : 0;

/** What old packages say in their package.json, and npm does not copy into its lock file. */
function installedLicense(path) {
  const file = join(folder, path, 'package.json');
  if (!existsSync(file)) return undefined;
  const { license, licenses } = JSON.parse(readFileSync(file, 'utf8'));
  const names = [license ?? licenses ?? []].flat().map((each) => each.type ?? each);
  return names.length > 0 ? names.join(' OR ') : undefined;
}

/** Of an SPDX expression: one side of OR suffices, both sides of AND are needed. What is not understood is not allowed. */
function isAllowed(expression) {
  const bare = expression?.replaceAll(/^\(|\)$/g, '') ?? '';
  return bare.split(' OR ').some((side) => side.split(' AND ').every((name) => ALLOWED.includes(name)));
}
