import { createHmac, randomBytes } from 'node:crypto';
import { getMigrations } from 'better-auth/db/migration';
import { people, PASSWORD } from '../shared/people.mjs';
import { fill, finish, keepRequests, seeding } from '../shared/seeding.mjs';
import { createAuth } from './auth.mjs';

const COOKIE = 'better-auth.session_token';
const ORIGIN = 'http://127.0.0.1';

const auth = createAuth({ ...seeding, variant: 'cookie-cache' });
const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
const { password } = await auth.$context;
const hash = await password.hash(PASSWORD);

const users = people(seeding.count).map((person) => ({
  ...person,
  id: randomBytes(24).toString('base64url').slice(0, 32),
  token: randomBytes(24).toString('base64url').slice(0, 32),
}));
const column = (name) => users.map((user) => user[name]);
await fill(async (client) => {
  await client.query(
    `INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
     SELECT id, name, email, true, now(), now() FROM unnest($1::text[], $2::text[], $3::text[]) AS u (id, name, email)`,
    [column('id'), column('name'), column('email')],
  );
  await client.query(
    `INSERT INTO account (id, "accountId", "providerId", "userId", password, "createdAt", "updatedAt")
     SELECT 'a' || id, id, 'credential', id, $2, now(), now() FROM unnest($1::text[]) AS u (id)`,
    [column('id'), hash],
  );
  await client.query(
    `INSERT INTO session (id, "userId", token, "expiresAt", "createdAt", "updatedAt", "ipAddress", "userAgent")
     SELECT 's' || id, id, token, now() + interval '7 days', now(), now(), '127.0.0.1', 'latchkey-bench'
     FROM unnest($1::text[], $2::text[]) AS u (id, token)`,
    [column('id'), column('token')],
  );
});

const signed = users.map(
  ({ token }) => `${token}.${createHmac('sha256', seeding.secret).update(token).digest('base64')}`,
);
const cookies = signed.map((value) => `${COOKIE}=${encodeURIComponent(value)}`);

/** The two cookies that a browser holds after better-auth has filled its cookie cache. */
async function withCache(cookie) {
  const response = await auth.handler(
    new globalThis.Request(`${ORIGIN}/api/auth/get-session`, { headers: { cookie } }),
  );
  const set = response.headers.getSetCookie().map((line) => line.split(';', 1)[0]);
  const data = set.find((pair) => pair.startsWith('better-auth.session_data='));
  if (!data) throw new Error(`better-auth set no cache cookie: ${response.status} ${set}`);
  return `${cookie}; ${data}`;
}

const cached = [];
for (const cookie of cookies) cached.push(await withCache(cookie));

const byCookie = (list) => list.map((cookie) => ({ path: '/me', headers: { Cookie: cookie } }));
finish({
  session: keepRequests('better-auth-session', byCookie(cookies)),
  'cookie-cache': keepRequests('better-auth-cookie-cache', byCookie(cached)),
  // As the client got it in `set-auth-token`.
  bearer: keepRequests(
    'better-auth-bearer',
    signed.map((token) => ({ path: '/me', headers: { Authorization: `Bearer ${token}` } })),
  ),
  login: keepRequests(
    'better-auth-login',
    users.map(({ email }) => ({
      method: 'POST',
      path: '/api/auth/sign-in/email',
      headers: { Origin: ORIGIN },
      body: { email, password: PASSWORD },
    })),
  ),
});
