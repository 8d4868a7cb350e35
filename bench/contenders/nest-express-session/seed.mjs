import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { sign } from 'cookie-signature';
import { PASSWORD } from '../shared/people.mjs';
import { finish, keepRequests, seeding } from '../shared/seeding.mjs';
import { seedUsers } from '../shared/seed-typeorm.mjs';

/** The table that connect-pg-simple brings along. */
const TABLE = readFileSync(
  join(dirname(createRequire(import.meta.url).resolve('connect-pg-simple/package.json')), 'table.sql'),
  'utf8',
);
const MAX_AGE = 30 * 24 * 60 * 60 * 1000;

const users = await seedUsers(async (client, rows) => {
  await client.query(TABLE);
  const sessions = rows.map(({ id, email }) => ({
    email,
    sid: randomBytes(24).toString('base64url'),
    sess: JSON.stringify({
      cookie: {
        originalMaxAge: MAX_AGE,
        expires: new Date(Date.now() + MAX_AGE).toISOString(),
        httpOnly: true,
        path: '/',
      },
      passport: { user: id },
    }),
  }));
  await client.query(
    `INSERT INTO session (sid, sess, expire)
     SELECT sid, sess::json, now() + interval '30 days' FROM unnest($1::text[], $2::text[]) AS s (sid, sess)`,
    [sessions.map(({ sid }) => sid), sessions.map(({ sess }) => sess)],
  );
  return sessions;
});

finish({
  me: keepRequests(
    'nest-express-session-me',
    users.map(({ sid }) => ({
      path: '/auth/me',
      headers: { Cookie: `connect.sid=${encodeURIComponent(`s:${sign(sid, seeding.secret)}`)}` },
    })),
  ),
  login: keepRequests(
    'nest-express-session-login',
    users.map(({ email }) => ({
      method: 'POST',
      path: '/auth/login',
      body: { email, password: PASSWORD },
    })),
  ),
});
