import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { loadConfig } from '../../src/config/load-config.js';
import { canonicalAddress } from '../../src/http/client-address.js';
import { parseForm } from '../../src/http/form-body.js';
import { parseJson } from '../../src/http/json-body.js';
import { isListedOrigin } from '../../src/http/listed-origin.js';
import { PROBLEMS, Problem } from '../../src/http/problem.js';
import { createProxyTrust } from '../../src/http/proxy-trust.js';
import { headerCount, headerValues } from '../../src/http/raw-headers.js';
import { validationProblem } from '../../src/http/validation-problem.js';

describe('raw headers', () => {
  const raw = ['Host', 'a', 'AUTHORIZATION', 'Bearer x', 'X-Authorization', 'y', 'authorization', 'Basic z'];

  it('are counted in any case of letters, by their whole name', () => {
    expect(headerCount(raw, 'authorization')).toBe(2);
    expect(headerCount(raw, 'host')).toBe(1);
    expect(headerCount(raw, 'cookie')).toBe(0);
    expect(headerValues(raw, 'authorization')).toEqual(['Bearer x', 'Basic z']);
  });
});

describe('addresses', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::FFFF:cb00:7109', '203.0.113.9'],
    ['203.0.113.9:443', '203.0.113.9'],
    ['2001:DB8::0001', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::1', '::1'],
  ])('%s is %s', (text, address) => {
    expect(canonicalAddress(text)).toBe(address);
  });

  it.each([
    '',
    'unknown',
    '203.0.113',
    '203.0.113.9, 10.0.0.1',
    '1.2.3.4:x:y',
    '[::1',
    ':',
    '::g',
    "1' OR 1=1",
    '010.0.0.1',
  ])('"%s" is none', (text) => {
    expect(canonicalAddress(text)).toBeNull();
  });

  it('whatever a header says, the outcome is an address or nothing', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const address = canonicalAddress(text);
        return address === null || canonicalAddress(address) === address;
      }),
    );
  });

  it('trust: hops, networks of both families, mapped addresses, nobody', () => {
    expect(createProxyTrust(0)).toBeNull();
    expect(createProxyTrust([])).toBeNull();
    expect([0, 1, 2].map((hop) => createProxyTrust(2)?.('x', hop))).toEqual([true, true, false]);
    const trust = createProxyTrust(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);
    const inside = ['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.7', 'fd12::1'];
    const outside = ['11.1.2.3', '192.0.2.8', 'fe80::1', 'unknown', ''];
    expect(inside.map((address) => trust?.(address, 0))).toEqual(inside.map(() => true));
    expect(outside.map((address) => trust?.(address, 0))).toEqual(outside.map(() => false));
  });
});

describe('listed origins', () => {
  const listedWith = (environment: Record<string, string>) =>
    isListedOrigin(loadConfig({ environment, directory: tmpdir(), strategyNames: ['session', 'jwt'] }));

  it('in development: PUBLIC_ORIGIN, CORS_ORIGINS, and this machine by its other names, on that port', () => {
    const isListed = listedWith({ NODE_ENV: 'test', PORT: '4000', CORS_ORIGINS: 'https://App.example.com' });
    for (const origin of [
      'http://localhost:4000',
      'http://127.0.0.1:4000',
      'http://[::1]:4000',
      'https://app.example.com',
      'HTTPS://APP.EXAMPLE.COM',
    ]) {
      expect([origin, isListed(origin)]).toEqual([origin, true]);
    }
    for (const origin of [
      'http://localhost:4001',
      'https://localhost:4000',
      'http://localhost',
      'null',
      '',
      'http://app.example.com',
    ]) {
      expect([origin, isListed(origin)]).toEqual([origin, false]);
    }
  });

  it('in production: no more than is listed', () => {
    const isListed = listedWith({
      NODE_ENV: 'production',
      AUTH_MODE: 'session',
      PUBLIC_ORIGIN: 'https://id.example.com',
      DATABASE_URL: 'postgres://latchkey:secret@db.example.com/latchkey',
      APP_SECRET: 'q8zVbX2mR4tY6uI8oP0aS2dF4gH6jK8lZ0xC2vB4nM6=',
    });
    expect(isListed('https://id.example.com')).toBe(true);
    for (const origin of [
      'https://localhost',
      'http://localhost:3000',
      'https://127.0.0.1',
      'https://evil.id.example.com',
    ]) {
      expect(isListed(origin)).toBe(false);
    }
  });
});

describe('JSON', () => {
  const isSafe = (text: string) =>
    !/\p{Surrogate}/u.test(text) &&
    !text.includes('\0') &&
    !['__proto__', 'constructor', 'prototype'].includes(text);
  const text = fc.string({ unit: 'binary' }).filter(isSafe);

  it('that is not too deep or wide is read as JSON.parse reads it', () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        text,
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(text, tie('value'), { maxKeys: 2 }),
      ),
    }));
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 1, '\t'), (original, space) => {
        const json = JSON.stringify(original, null, space);
        expect(parseJson(json)).toEqual(JSON.parse(json));
      }),
    );
  });

  it('IV61 whatever comes, the outcome is a value or a malformed_body', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      '\\',
      '\\u',
      'd800',
      '"a"',
      '1',
      'null',
      ' ',
      '\0',
      'é',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        const body = parts.join('');
        for (const parse of [parseJson, parseForm]) {
          try {
            parse(body);
          } catch (error) {
            expect(error).toBeInstanceOf(Problem);
            expect(error).toMatchObject({ code: 'malformed_body' });
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('a duplicate name anywhere is refused, whatever stands between', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), text, (inner, name) => {
        const key = JSON.stringify(name);
        expect(() => parseJson(`{${key}:1,"other":${inner},${key}:2}`)).toThrow(Problem);
      }),
    );
  });
});

describe('problems', () => {
  it('have the status of their code', () => {
    for (const code of Object.keys(PROBLEMS)) {
      if (!isCode(code)) throw new Error(code);
      expect(new Problem(code).getStatus()).toBe(PROBLEMS[code].status);
    }
    expect(Object.keys(PROBLEMS)).toHaveLength(26);
  });

  it('of validation: paths of our names, no echo of keys, indexes and symbols as text', () => {
    const problem = validationProblem([
      { message: 'a', path: ['list', 0, { key: 'name' }] },
      { message: 'b' },
      Object.assign({ message: 'Invalid key in record', path: ['map', 'CANARY'] }, { code: 'invalid_key' }),
      Object.assign({ message: 'Unrecognized key: "CANARY"', path: [] }, { code: 'unrecognized_keys' }),
    ]);
    expect(problem.errors).toEqual([
      { path: '', message: 'unknown field' },
      { path: 'list.0.name', message: 'a' },
      { path: '', message: 'b' },
      { path: 'map', message: 'Invalid key in record' },
    ]);
  });
});

function isCode(name: string): name is keyof typeof PROBLEMS {
  return name in PROBLEMS;
}
