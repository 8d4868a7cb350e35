import { PASSWORD } from '../support/test-client.js';

/** A body for signup and login, and what each must make of it. */
export interface InputCase {
  readonly id: string;
  readonly what: string;
  /** Serialised as JSON, unless `raw` is given. */
  readonly body?: unknown;
  readonly raw?: string | Uint8Array<ArrayBuffer>;
  /** `Content-Type`; null for none at all. Default: `application/json`. */
  readonly type?: string | null;
  readonly encoding?: string;
  /** The statuses of signup and login. Default: 400 for both. */
  readonly statuses?: readonly [signup: number, login: number];
  /** The code of both refusals. */
  readonly code?: string;
  /** The fields that the refusal names; empty for the body as a whole. */
  readonly paths?: readonly string[];
}

/** Part of whatever is sent: no refusal may repeat it. */
export const CANARY = 'canary';

const EMAIL = `${CANARY}@example.com`;
const GOOD = { email: EMAIL, password: PASSWORD };
const JSON_TEXT = JSON.stringify(GOOD);

/** The same case for many values of one field. */
function each(id: string, path: string, values: Readonly<Record<string, unknown>>): InputCase[] {
  return Object.entries(values).map(([what, value]) => ({
    id,
    what: `${path}: ${what}`,
    body: { ...GOOD, [path]: value },
    paths: [path],
  }));
}

function malformed(
  id: string,
  texts: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>,
): InputCase[] {
  return Object.entries(texts).map(([what, raw]) => ({ id, what, raw, code: 'malformed_body' }));
}

function ofType(id: string, types: readonly string[]): InputCase[] {
  return types.map((type) => ({
    id,
    what: type,
    raw: JSON_TEXT,
    type,
    statuses: [415, 415],
    code: 'unsupported_media_type',
  }));
}

const bytes = (...parts: (string | number[])[]): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(parts.flatMap((part) => [...(typeof part === 'string' ? Buffer.from(part) : part)]));

export const INPUT_CASES: readonly InputCase[] = [
  { id: 'IV01', what: 'no body, no type', type: null },
  { id: 'IV02', what: 'an empty body', raw: '' },
  { id: 'IV04', what: 'an array', body: [] },
  { id: 'IV04', what: 'an array with a good body', body: [GOOD] },
  { id: 'IV04', what: 'a string', body: EMAIL },
  { id: 'IV04', what: 'null', body: null },
  { id: 'IV05', what: 'an empty object', body: {}, paths: ['email', 'password'] },
  ...malformed('IV07', {
    'a trailing comma': `{"email":"${EMAIL}","password":"x",}`,
    'single quotes': `{'email':'${EMAIL}','password':'x'}`,
    NaN: `{"email":"${EMAIL}","password":NaN}`,
    'a comment': `{"email":"${EMAIL}",/* */"password":"x"}`,
    'half of it': JSON_TEXT.slice(0, -3),
    'two of it': JSON_TEXT + JSON_TEXT,
  }),
  ...each('IV08', 'email', {
    'a number': 5,
    true: true,
    null: null,
    'an array': [EMAIL],
    'an object': { a: EMAIL },
    'arrays in arrays': [[EMAIL]],
  }),
  ...each('IV08', 'password', { 'a number': 5, null: null, 'an array': [PASSWORD], 'an object': {} }),
  ...each('IV10', 'email', { 'its own toString': { toString: 1 }, 'its own length': { length: 5 } }),
  ...each('IV11', 'email', {
    'an operator': { $ne: null },
    'a find operator': { _type: 'not', _value: CANARY },
  }),
  {
    id: 'IV13',
    what: 'SQL for a password',
    body: { email: EMAIL, password: "' OR '1'='1" },
    statuses: [400, 401],
  },
  { id: 'IV14', what: 'an unknown field', body: { ...GOOD, [CANARY]: 1 }, paths: [''] },
  { id: 'IV14', what: 'five of them', body: { ...GOOD, a: 1, b: 1, c: 1, d: 1, [CANARY]: 1 }, paths: [''] },
  ...malformed('IV16', {
    'everything in __proto__': `{"__proto__":${JSON_TEXT}}`,
    'constructor besides': `{"email":"${EMAIL}","password":"x","constructor":{"prototype":{}}}`,
  }),
  ...malformed('IV17', {
    'a bad email, then a good one': `{"email":1,${JSON_TEXT.slice(1)}`,
    'a good email, then a bad one': `${JSON_TEXT.slice(0, -1)},"email":1}`,
    'the same in another spelling': `${JSON_TEXT.slice(0, -1)},"\\u0065mail":"${EMAIL}"}`,
  }),
  ...each('IV22', 'password', { '129 characters': 'é1'.repeat(65).slice(0, 129) }),
  {
    id: 'IV25',
    what: '50,000 variation selectors',
    body: { ...GOOD, password: '\ufe0f'.repeat(50_000) },
    statuses: [413, 413],
  },
  ...each('IV25', 'password', { '5,000 variation selectors': '\ufe0f'.repeat(5_000) }),
  ...malformed('IV26', {
    'NUL in the password': `{"email":"${EMAIL}","password":"${PASSWORD}\\u0000"}`,
    'NUL in the email': `{"email":"a\\u0000${EMAIL}","password":"${PASSWORD}"}`,
    'NUL in the name': `{"email":"${EMAIL}","password":"${PASSWORD}","name":"a\\u0000"}`,
    'NUL in the name of a field': `${JSON_TEXT.slice(0, -1)},"\\u0000":1}`,
  }),
  ...malformed('IV28', {
    'half a pair in the password': `{"email":"${EMAIL}","password":"${PASSWORD}\\ud800"}`,
    'the other half': `{"email":"${EMAIL}","password":"${PASSWORD}\\udc00"}`,
    'half a pair in the email': `{"email":"\\ud800${EMAIL}","password":"${PASSWORD}"}`,
    'half a pair in the name': `{"email":"${EMAIL}","password":"${PASSWORD}","name":"\\ud800"}`,
  }),
  ...malformed('IV29', {
    'bytes that are no UTF-8': bytes('{"email":"', [0xff, 0xfe], '","password":"x"}'),
    'an overlong slash': bytes('{"email":"', [0xc0, 0xaf], '","password":"x"}'),
    'a surrogate in UTF-8': bytes('{"email":"', [0xed, 0xa0, 0x80], '","password":"x"}'),
  }),
  ...malformed('IV31', { 'a byte order mark': bytes([0xef, 0xbb, 0xbf], JSON_TEXT) }),
  ...ofType('IV32', [
    'application/json; charset=utf-16le',
    'application/json; charset=iso-8859-1',
    'application/json; charset="bogus"',
  ]),
  ...ofType('IV33', [
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    'application/xml',
  ]),
  { id: 'IV33', what: 'no type', raw: bytes(JSON_TEXT), type: null, statuses: [415, 415] },
  ...ofType('IV34', ['application/json;foo', 'application/json, text/plain', 'application / json', '*/*']),
  ...ofType('IV35', ['application/problem+json', 'application/vnd.api+json']),
  ...['gzip', 'zstd', 'compress', 'gzip, gzip'].map((encoding): InputCase => ({
    id: 'IV37',
    what: encoding,
    raw: 'no such stream',
    encoding,
    statuses: [415, 415],
  })),
  ...malformed('IV38', {
    '33 levels': '['.repeat(33) + ']'.repeat(33),
    '2,000 levels': `{"a":`.repeat(2_000) + '1' + '}'.repeat(2_000),
    '8,000 levels without an end': '['.repeat(8_000),
  }),
  { id: 'IV38', what: '40,000 levels', raw: '['.repeat(40_000), statuses: [413, 413] },
  {
    id: 'IV40',
    what: '10,000 names',
    body: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i])),
    statuses: [413, 413],
  },
  ...malformed('IV40', {
    '1,000 names': JSON.stringify(Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, i]))),
  }),
  ...['1e400', '-0', '1e-400', '9007199254740993'].map((number): InputCase => ({
    id: 'IV41',
    what: number,
    raw: `{"email":"${EMAIL}","password":"${PASSWORD}","remember":${number}}`,
    paths: ['remember'],
  })),
  ...each('IV43', 'email', {
    'a quoted local part': `"a b"@${CANARY}.co`,
    'an address in quotes': `"a@${CANARY}.com x"@b.co`,
  }),
  ...each('IV44', 'email', {
    'a comma list': `${EMAIL},c@d.co`,
    'a semicolon list': `${EMAIL};c@d.co`,
    'a named address': `A <${EMAIL}>`,
  }),
  ...each('IV46', 'email', {
    'a space before': ` ${EMAIL}`,
    'a space after': `${EMAIL} `,
    'a tab': `\t${EMAIL}`,
    'a line feed': `${EMAIL}\n`,
    'a no-break space': `${EMAIL}\u00a0`,
    'a zero-width space': `can\u200bary@example.com`,
    'a right-to-left mark': `\u202e${EMAIL}`,
  }),
  ...each('IV47', 'email', {
    'a dotless i': `canary\u0131@example.com`,
    'a dotted I': `canary\u0130@example.com`,
  }),
  ...each('IV49', 'email', { 'a Cyrillic a': `c\u0430nary@example.com` }),
  ...each('IV52', 'email', {
    localhost: `${CANARY}@localhost`,
    'an address literal': `${CANARY}@[127.0.0.1]`,
    'one label': `${CANARY}@b`,
    'numbers alone': `${CANARY}@127.0.0.1`,
    'no domain': `${CANARY}@`,
    'no local part': '@canary.com',
    'two at signs': `a@${EMAIL}`,
    'a percent sign': `a%b${EMAIL}`,
    'two dots': 'canary..x@example.com',
    'a dot at the end': `${EMAIL}.`,
    '65 characters before the at sign': `${'a'.repeat(65)}@canary.com`,
    '255 characters': `${CANARY}@${'a.'.repeat(120)}example.com`,
  }),
  ...each('IV14', 'remember', { 'a string': 'true', 'a number': 1, null: null }),
];

/** Extra fields of a signup that would make somebody more than a user, if anybody copied them. */
export const MASS_ASSIGNMENTS: Readonly<Record<string, unknown>> = {
  role: 'admin',
  roles: ['admin'],
  isAdmin: true,
  id: '01890000-0000-7000-8000-000000000000',
  emailVerified: true,
  createdAt: '2000-01-01T00:00:00Z',
  tokenVersion: 7,
  passwordHash:
    '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  disabledAt: null,
  sessions: [{ userId: '01890000-0000-7000-8000-000000000000' }],
};

/** Other spellings of `/auth/me`. None may be a way around the guard. */
export const PATHS_LIKE_ME = [
  '//auth//me',
  '/AUTH/ME',
  '/auth/me/',
  '/auth/me;x=1',
  '/auth/me%2f',
  '/auth%2fme',
  '/auth/%6de',
  '/auth/me%00',
  '/auth/me%20',
  '/auth/me.json',
  '/auth/config/../me',
  '/health/..%2fauth/me',
  '/%61uth/me',
  '/auth/me?_method=DELETE',
];

/** What is no id of a session of ours. */
export const NO_IDS = [
  '1 OR 1=1',
  '99999999999999',
  '{01890000-0000-7000-8000-000000000000}',
  '01890000-0000-7000-8000-000000000000; DROP TABLE users',
  '../me',
  '%2e%2e%2fme',
  'a'.repeat(1_500),
  'ﬀ',
  '%',
];
