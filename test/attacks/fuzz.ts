import fc from 'fast-check';
import { PASSWORD } from '../support/test-client.js';

const TYPES = [
  'application/json',
  'application/json',
  'application/json',
  'application/x-www-form-urlencoded',
  'text/plain',
];
const FIELDS = [
  'email',
  'password',
  'name',
  'remember',
  'strategy',
  'refreshToken',
  'refreshTransport',
  'currentPassword',
  'newPassword',
];

/** Values that have broken parsers, databases and people before. */
const nasty = fc.constantFrom<unknown>(
  ...[
    '',
    ' ',
    '\0',
    '\ud800',
    '\u202e',
    '%',
    "' OR 1=1 --",
    '{{7*7}}',
    '../../etc/passwd',
    '$argon2id$',
    'lkr_',
    'a@b.co',
  ],
  ...[
    null,
    true,
    -0,
    1e308,
    Number.MAX_SAFE_INTEGER,
    [],
    {},
    [[]],
    { $gt: '' },
    { __proto__: null, then: 1 },
  ],
);

/** Bodies from plain noise to nearly right ones. */
export function requestBodies(
  email: string,
): fc.Arbitrary<{ raw: string | Uint8Array<ArrayBuffer>; type: string }> {
  const right = { email, password: PASSWORD };
  const value = fc.oneof(
    nasty,
    fc.string({ unit: 'binary' }),
    fc.jsonValue({ maxDepth: 3 }),
    fc.emailAddress(),
  );
  const nearlyRight = fc
    .dictionary(fc.oneof(fc.constantFrom(...FIELDS), fc.string()), value, { maxKeys: 6 })
    .map((fields) => JSON.stringify({ ...right, password: 'wrong', ...fields }));
  const raw = fc.oneof(
    { weight: 4, arbitrary: nearlyRight },
    {
      weight: 2,
      arbitrary: fc.dictionary(fc.constantFrom(...FIELDS), value).map((fields) => JSON.stringify(fields)),
    },
    { weight: 1, arbitrary: fc.json({ maxDepth: 6 }) },
    {
      weight: 1,
      arbitrary: nearlyRight.chain((text) => fc.nat(text.length).map((end) => text.slice(0, end))),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }).map((bytes) => Uint8Array.from(bytes)) },
  );
  return fc.record({ raw, type: fc.constantFrom(...TYPES) });
}
