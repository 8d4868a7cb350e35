import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeConfig } from '../../src/config/describe-config.js';
import { environmentSchema } from '../../src/config/schema.js';
import { ConfigHarness, PRODUCTION } from './config-harness.js';

const harness = new ConfigHarness();
const read = (path: string): string => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');

interface About {
  readonly description: unknown;
  /** As written in a file; undefined when it depends on something else. */
  readonly default: unknown;
  /** That default in words. */
  readonly whenUnset: unknown;
}

const VARIABLES = new Map(
  Object.entries(environmentSchema(['session', 'jwt']).shape).map(([name, schema]): [string, About] => {
    const { description, default: written, whenUnset } = schema.meta() ?? {};
    return [name, { description, default: written, whenUnset }];
  }),
);

describe('.env.example', () => {
  const entries = [...read('.env.example').matchAll(/^# (.*)\n(\w+)=(.*)$/gm)];

  test('lists every variable once, in the order of the schema, and no other', () => {
    expect(entries.map(([, , name]) => name)).toEqual([...VARIABLES.keys()]);
    expect([...read('.env.example').matchAll(/^\s*#?\s*\w+=/gm)]).toHaveLength(VARIABLES.size);
  });

  test.each(entries.map(([, comment, name, value]) => ({ name, comment, value })))(
    '$name has the comment and the default of the schema',
    ({ name, comment, value }) => {
      const about = VARIABLES.get(name ?? '');
      const words = about?.whenUnset === undefined ? '' : `; default: ${String(about.whenUnset)}`;
      expect(comment).toBe(`${String(about?.description)}${words}`);
      expect(value).toBe(about?.default ?? '');
    },
  );

  test('copied to .env it changes nothing', () => {
    const without = describeConfig(harness.load());
    harness.writeFile('.env', read('.env.example'));
    expect(describeConfig(harness.load())).toEqual(without);
  });
});

describe('docs/configuration.md', () => {
  const rows = [...read('docs/configuration.md').matchAll(/^\| `([A-Z_]+)`\s*\| (.*?)\s*\| (.*?)\s*\|$/gm)];

  test('describes every variable once, and no other', () => {
    expect(rows.map(([, name]) => name).sort()).toEqual([...VARIABLES.keys()].sort());
  });

  test.each(rows.map(([, name, cell]) => ({ name, cell })))(
    '$name has the default of the schema',
    ({ name, cell }) => {
      const about = VARIABLES.get(name ?? '');
      expect(cell?.replaceAll('`', '')).toBe(about?.default ?? about?.whenUnset);
    },
  );
});

test('a default that is written down is the one in force', () => {
  const inForce: Readonly<Record<string, string>> = describeConfig(harness.load());
  for (const [name, about] of VARIABLES)
    if (about.default !== undefined && name !== 'DATA_DIR')
      expect(`${name}=${inForce[name]}`).toBe(`${name}=${String(about.default)}`);
});

describe.each([
  ['session', ['session'], 1800],
  ['jwt', ['jwt'], 2_592_000],
])('deploy/env/%s.env.example', (name, mode, idleSeconds) => {
  const text = read(`deploy/env/${name}.env.example`);
  const secrets = { APP_SECRET: randomBytes(32).toString('base64'), DATABASE_URL: PRODUCTION.DATABASE_URL };

  test('starts in production once the two secrets are there, without a warning', () => {
    harness.writeFile('.env.production', text);
    const config = harness.load({ NODE_ENV: 'production', ...secrets });
    expect([config.auth.mode, config.session.idleSeconds, config.server.isHttps]).toEqual([
      mode,
      idleSeconds,
      true,
    ]);
    expect(harness.warnings).toEqual([]);
  });

  test('refuses to start without them, and asks for nothing else', () => {
    harness.writeFile('.env.production', text);
    harness.expectProblems({ NODE_ENV: 'production' }, [/^APP_SECRET .*openssl rand/, /^DATABASE_URL /]);
  });
});
