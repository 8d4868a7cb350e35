import { randomBytes } from 'node:crypto';

const CHUNK = 100_000;

/** UUID version 7 of the milliseconds `at`, as the application makes them; PostgreSQL before 18 has no function for it. */
const uuid7 = (at) =>
  `encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing substring(int8send((${at})::bigint) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid`;
/** Milliseconds, spread over the last 30 days. */
const MOMENT = `(extract(epoch FROM now()) * 1000 - 2592000000.0 * ($2 - i) / $2)`;

/** Fills users and sessions with `count` rows each, one session per user. */
export async function fillUsersAndSessions(client, { count, passwordHash }) {
  await client.query('SET synchronous_commit = off');
  for (let from = 0; from < count; from += CHUNK) {
    const to = Math.min(count, from + CHUNK) - 1;
    await client.query(
      `WITH people AS (
         INSERT INTO users (id, email, name, password_hash)
         SELECT ${uuid7(MOMENT)}, 'user-' || i || '@bench.example', 'User ' || i, $4
         FROM generate_series($1::int, $3::int) AS i CROSS JOIN (SELECT $2::float8) AS n (total)
         RETURNING id, created_at)
       INSERT INTO sessions (id, user_id, authenticated_at, factors, last_seen_at, idle_expires_at, expires_at, ip, user_agent)
       SELECT ${uuid7('extract(epoch FROM now()) * 1000 - 2592000000.0 * random()')}, id, now(), '{password}', now(),
         now() + interval '12 hours', now() + interval '24 hours', '127.0.0.1', 'latchkey-bench'
       FROM people`,
      [from, count, to, passwordHash],
    );
  }
}

/** Sessions to make credentials for, from all over the table. */
export async function someSessions(client, count) {
  const { rows } = await client.query(
    `SELECT s.id, u.email FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.id IN (SELECT id FROM sessions ORDER BY random() LIMIT $1)`,
    [count],
  );
  return rows;
}

/** Gives every session that has none a credential of each strategy, whose value nobody knows. */
export async function fillCredentials(client) {
  for (const strategy of ['session', 'jwt']) {
    await client.query(
      `INSERT INTO credentials (session_id, strategy, secret_hash, seed)
       SELECT s.id, $1, CASE WHEN $1 = 'session' THEN sha256(uuid_send(s.id) || $2::bytea) END,
         substring(sha256(uuid_send(s.id) || $2::bytea) from 1 for 16)
       FROM sessions s ON CONFLICT DO NOTHING`,
      [strategy, randomBytes(16)],
    );
  }
  // So that the known ones do not lie together.
  await client.query('CLUSTER credentials USING credentials_pkey');
}
