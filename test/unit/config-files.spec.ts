import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { editDistance } from '../../src/config/edit-distance.js';
import { readEnvText } from '../../src/config/env-text.js';
import { claim } from '../../src/config/generated-secret.js';
import { ConfigHarness, SECRET, type Environment } from './config-harness.js';

const harness = new ConfigHarness();

describe('files', () => {
  test.each<[string, Environment, number]>([
    ['.env', { NODE_ENV: 'test' }, 2],
    ['.env.<NODE_ENV>', { NODE_ENV: 'development' }, 3],
    ['.env.development when NODE_ENV is unset', {}, 3],
    ['the real environment', { DATABASE_POOL_SIZE: '4' }, 4],
    ['an empty real variable, which hides the files', { DATABASE_POOL_SIZE: '' }, 10],
  ])('wins: %s', (_, environment, expected) => {
    harness.writeFile('.env', 'DATABASE_POOL_SIZE=2\n');
    harness.writeFile('.env.development', 'DATABASE_POOL_SIZE=3\n');
    expect(harness.load(environment).database.poolSize).toBe(expected);
  });

  test('NODE_ENV in .env chooses the second file, which must not contradict its name', () => {
    harness.writeFile('.env', 'NODE_ENV=test\n');
    harness.writeFile('.env.test', 'LOG_LEVEL=warn\n');
    expect(harness.load()).toMatchObject({ environment: 'test', log: { level: 'warn' } });
    harness.writeFile('.env.test', 'NODE_ENV=production\n');
    harness.expectProblems({}, [/^NODE_ENV \(\.env\.test\): contradicts/]);
  });

  test('a problem names the file', () => {
    harness.writeFile('.env', 'PORT=http\n');
    harness.expectProblems({}, [/^PORT \(\.env\): /]);
    harness.expectProblems({ PORT: 'x' }, [/^PORT: /]);
  });

  test('one that cannot be read is a problem', () => {
    mkdirSync(join(harness.directory, '.env'));
    harness.expectProblems({}, [/^\.env: cannot be read: .*EISDIR/]);
  });

  test('lines that are no settings are named by number and never shown', () => {
    harness.writeFile('.env', `PORT=4000\nAPP_SECRET ${SECRET}\nLOG_LEVEL=warn\n=x\n`);
    harness.expectProblems({}, [/^\.env: line 2 /, /^\.env: line 4 /]);
    expect(harness.problemsOf().join()).not.toContain(SECRET);
  });

  test.each<[string, Record<string, string>, number[]]>([
    ['# c\n\n export  A=1 # c\nB="x # y"\nC=\'z\'\n', { A: '1', B: 'x # y', C: 'z' }, []],
    ['\uFEFFA=1\r\nB=2\r\n', { A: '1', B: '2' }, []],
    ['A= \nB=\t\nC=3', { A: '', B: '', C: '3' }, []],
    ['A="x\ny"\nB=2', { A: 'x\ny', B: '2' }, []],
    ['A=1\nB: 2\nC=3', { A: '1', C: '3' }, [2]],
    ['A=1\nword', { A: '1' }, [2]],
    ['A B=1', {}, [1]],
    ['A=1\n-----BEGIN\n=x\nB=2\n', { A: '1', B: '2' }, [2, 3]],
    ['', {}, []],
  ])('text %j', (text, variables, brokenLines) => {
    const read = readEnvText(text);
    expect({ ...read, variables: { ...read.variables } }).toEqual({ variables, brokenLines });
  });
});

describe('typo guard', () => {
  const inFile = (name: string): readonly string[] => {
    harness.writeFile('.env', `${name}=1\n`);
    return harness.problemsOf();
  };

  test.each([
    ['AUTH_MODES', 'AUTH_MODE'],
    ['SESSION_IDEL_TTL', 'SESSION_IDLE_TTL'],
    ['auth_mode', 'AUTH_MODE'],
    ['JWT_ACESS_TLL', 'JWT_ACCESS_TTL'],
    ['CORS_ORIGIN', 'CORS_ORIGINS'],
    ['COOKIE_SAME_SITE', 'COOKIE_SAMESITE'],
  ])('%s stops the start everywhere', (name, meant) => {
    const line = expect.stringContaining(`is not a variable of Latchkey; did you mean ${meant}?`);
    expect(harness.problemsOf({ [name]: 'hunter2' })).toEqual([line]);
    expect(inFile(name)).toEqual([line]);
  });

  test.each(['AUTH_URL', 'SESSION_COOKIE_NAME', 'PASSWORD_STORE_DIR', 'JWT_SECRET_KEY'])(
    '%s stops it in a file, elsewhere it is one warning',
    (name) => {
      expect(harness.problemsOf({ [name]: 'hunter2' })).toEqual([]);
      expect(harness.warnings).toEqual([expect.stringMatching(new RegExp(`^${name}: is not a variable`))]);
      expect(harness.warnings.join()).not.toContain('hunter2');
      expect(inFile(name)).toEqual([expect.stringMatching(new RegExp(`^${name} \\(\\.env\\): .*allowed: `))]);
    },
  );

  test.each([
    ...[
      'SESSION_MANAGER',
      'AUTH_SERVICE_HOST',
      'AUTH_PORT',
      'AUTH_SERVICE_PORT_HTTP',
      'AUTH_PORT_3000_TCP_ADDR',
    ],
    ...['HOME', 'POST', 'npm_config_x', 'POSTGRES_PASSWORD', 'TEST_DATABASE_URL'],
  ])('%s is none of ours', (name) => {
    expect(harness.problemsOf({ [name]: 'x' })).toEqual([]);
    expect(inFile(name)).toEqual([]);
    expect(harness.warnings).toEqual([]);
  });

  test('COOKIE_DOMAIN is explained', () => {
    const line = expect.stringMatching(/^COOKIE_DOMAIN.*there is no cookie domain/);
    expect(harness.problemsOf({ COOKIE_DOMAIN: 'example.com' })).toEqual([line]);
    expect(inFile('COOKIE_DOMAIN')).toEqual([line]);
  });

  test('a near miss without a prefix of ours is a warning', () => {
    harness.load({ DATABSE_URL: 'postgres://x', APP_SECERT: 'x' });
    const meant = ['DATABASE_URL?', 'APP_SECRET?'];
    expect(harness.warnings).toEqual(meant.map((name) => expect.stringContaining(name)));
  });

  test.each([
    ['', '', 0],
    ['abc', '', 3],
    ['abc', 'abc', 0],
    ['abcd', 'acbd', 1],
    ['kitten', 'sitting', 3],
    ['ca', 'abc', 3],
  ])('edits between "%s" and "%s": %d', (from, to, edits) => {
    expect([editDistance(from, to), editDistance(to, from)]).toEqual([edits, edits]);
  });
});

describe('secrets', () => {
  const folder = (): string => join(harness.directory, '.latchkey');
  const path = (): string => join(folder(), 'app-secret');
  const damage = (text: string): void => {
    harness.load();
    writeFileSync(path(), text);
  };

  test('keys differ by secret, label and salt, not by notation or place in the list', () => {
    const other = randomBytes(48).toString('base64url');
    const [first, second] = harness.load({ APP_SECRET: `${SECRET},${other}` }).secrets;
    const hex = Buffer.from(SECRET, 'base64').toString('hex');
    const [moved, same] = harness.load({ APP_SECRET: `${other},${hex}` }).secrets;
    const keys = [
      first.derive('a'),
      first.derive('b'),
      first.derive('a', 32, Buffer.from('s')),
      moved.derive('a'),
    ];
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(4);
    expect(same?.derive('a')).toEqual(first.derive('a'));
    expect([same?.id, moved.id]).toEqual([first.id, second?.id]);
    expect(first.derive('a', 64)).toHaveLength(64);
  });

  test('a key is the same each time, whatever was done to the one before', () => {
    const [secret] = harness.load({ APP_SECRET: SECRET }).secrets;
    const key = secret.derive('a');
    const kept = key.toString('hex');
    key.fill(0);
    expect(secret.derive('a').toString('hex')).toBe(kept);
    expect(secret.derive('a', 16).toString('hex')).toBe(kept.slice(0, 32));
    expect(secret.derive('a', 32, Buffer.from('s')).toString('hex')).not.toBe(kept);
  });

  test('a key of one release is the key of the next (values from openssl kdf)', () => {
    const [secret] = harness.load({ APP_SECRET: `${'00'.repeat(31)}01` }).secrets;
    expect(secret.derive('test').toString('hex')).toBe(
      '2ae952bf1c26bab141f415153dae04d4088f12309f3d66de529751ff6091a254',
    );
    expect(secret.id).toBe('1d96b801');
  });

  test('outside production one is made once, for its owner alone', () => {
    const [first] = harness.load().secrets;
    expect(harness.load({ NODE_ENV: 'test' }).secrets[0].id).toBe(first.id);
    expect([statSync(path()).mode & 0o777, statSync(folder()).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(readdirSync(folder())).toEqual(['app-secret']);
    expect(Buffer.from(readFileSync(path(), 'utf8'), 'base64')).toHaveLength(32);
  });

  test('of two that claim the file at once, both get the first', () => {
    const file = join(harness.directory, 'app-secret');
    expect([claim(file, 'first'), claim(file, 'second')]).toEqual(['first', 'first']);
    expect(readdirSync(harness.directory)).toEqual(['app-secret']);
  });

  test.each<[string, () => void, RegExp]>([
    [
      'a file where the folder should be',
      () => harness.writeFile('.latchkey', ''),
      /no secret can be kept in .*EEXIST/,
    ],
    [
      'a folder where the file should be',
      () => mkdirSync(path(), { recursive: true }),
      /no secret can.*EISDIR/,
    ],
    ['a short secret', () => damage('abcd'), /app-secret holds only 2 bytes.*delete that file/],
    ['an empty file', () => damage(''), /app-secret is empty.*delete that file/],
  ])('%s is a problem line', (_, prepare, pattern) => {
    prepare();
    harness.expectProblems({}, [new RegExp(`^DATA_DIR: .*${pattern.source}`)]);
  });
});
