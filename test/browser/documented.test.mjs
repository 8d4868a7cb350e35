import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const CLIENTS = join(import.meta.dirname, 'clients');
const GUIDE = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'browser-apps.md'), 'utf8');
const blocks = [...GUIDE.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);

for (const name of readdirSync(CLIENTS).filter((each) => each.endsWith('.js'))) {
  test(`docs/browser-apps.md shows ${name} as it is tested here`, () => {
    assert.ok(blocks.includes(readFileSync(join(CLIENTS, name), 'utf8')));
  });
}
