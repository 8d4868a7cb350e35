import { randomBytes } from 'node:crypto';
import argon2 from 'argon2';
import { DataSource } from 'typeorm';
import { people, PASSWORD } from './people.mjs';
import { fill, seeding } from './seeding.mjs';
import { typeOrmOptions } from './typeorm-user.mjs';

/** The argon2id parameters of Latchkey, so that logins cost the same hash everywhere that uses argon2. */
export const ARGON2 = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** Makes the table of users by `synchronize`, as tutorials do, and fills it. `more` does the rest on the same connection. */
export async function seedUsers(more = async () => undefined) {
  const source = new DataSource(typeOrmOptions({ synchronize: true, databaseUrl: seeding.databaseUrl }));
  await source.initialize();
  await source.destroy();
  const passwordHash = await argon2.hash(PASSWORD, { ...ARGON2, salt: randomBytes(16) });
  const users = people(seeding.count);
  return fill(async (client) => {
    const { rows } = await client.query(
      `INSERT INTO users (email, name, "passwordHash")
       SELECT email, name, $3 FROM unnest($1::text[], $2::text[]) AS u (email, name) RETURNING id, email, name`,
      [users.map(({ email }) => email), users.map(({ name }) => name), passwordHash],
    );
    return more(client, rows);
  });
}
