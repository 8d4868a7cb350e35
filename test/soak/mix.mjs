/**
 * What is done by somebody who is signed in, out of a hundred. Whoever logs out comes back by a login or, one in four, as somebody new: so
 * that about 6 of a hundred requests cost a password hash, which is what bounds the rate, and sessions end as fast as they begin.
 */
const WEIGHTS = {
  me: 62,
  devices: 8,
  refresh: 8,
  logout: 4,
  'wrong password': 2,
  'unknown path': 8,
  malformed: 8,
};

const DECK = Object.entries(WEIGHTS).flatMap(([kind, weight]) => Array(weight).fill(kind));

let left = [];

/** What comes next: dealt from a shuffled deck, so that any hundred requests cost about the same. */
export function draw() {
  if (left.length === 0) left = [...DECK];
  return left.splice(Math.floor(Math.random() * left.length), 1)[0];
}

const login = { method: 'POST', path: '/auth/login' };

/** What is wrong in itself, with the status that it gets. */
export const MALFORMED = [
  { ...login, type: 'application/json', raw: '{"email":"ann@soak.example","pass', expect: 400 },
  { ...login, type: 'application/json', raw: `${'['.repeat(2000)}${']'.repeat(2000)}`, expect: 400 },
  { ...login, type: 'application/json', raw: `{"email":"${'x'.repeat(20_000)}"}`, expect: 413 },
  { ...login, type: 'text/plain', raw: 'hello', expect: 415 },
  { ...login, body: { email: 'nobody', password: 1, admin: true }, expect: 400 },
  { path: '/auth/me', headers: { Authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' }, expect: 401 },
  { path: '/auth/me', headers: { Cookie: '__Host-sid=s%3Aforged.signature' }, expect: 401 },
];
