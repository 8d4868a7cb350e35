import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateUsersSessionsCredentials1763750000000 implements MigrationInterface {
  readonly name = 'CreateUsersSessionsCredentials1763750000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE users (
        id uuid CONSTRAINT users_pkey PRIMARY KEY,
        email text NOT NULL CONSTRAINT users_email_key UNIQUE,
        name text,
        password_hash text NOT NULL,
        roles text[] NOT NULL DEFAULT '{user}',
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        disabled_at timestamptz(3)
      )`);
    await queryRunner.query(`
      CREATE TABLE sessions (
        id uuid CONSTRAINT sessions_pkey PRIMARY KEY,
        user_id uuid NOT NULL CONSTRAINT sessions_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        authenticated_at timestamptz(3) NOT NULL,
        factors text[] NOT NULL,
        last_seen_at timestamptz(3) NOT NULL,
        idle_expires_at timestamptz(3) NOT NULL,
        expires_at timestamptz(3) NOT NULL,
        ended_at timestamptz(3),
        ended_reason text,
        ip text,
        user_agent text,
        remembered boolean NOT NULL DEFAULT false
      )`);
    // Listing and ending a user's live sessions, and finding the least recently seen one, whatever lies ended beside them.
    await queryRunner.query(
      `CREATE INDEX sessions_live_by_user_idx ON sessions (user_id, last_seen_at) WHERE ended_at IS NULL`,
    );
    // Deleting a user cascades to ended sessions too, which the partial index above does not hold.
    await queryRunner.query(`CREATE INDEX sessions_user_id_idx ON sessions (user_id)`);
    // Pruning in small batches: expired ones by the first, ended ones by the second.
    await queryRunner.query(`CREATE INDEX sessions_expires_at_idx ON sessions (expires_at)`);
    await queryRunner.query(
      `CREATE INDEX sessions_ended_at_idx ON sessions (ended_at) WHERE ended_at IS NOT NULL`,
    );
    await queryRunner.query(`
      CREATE TABLE credentials (
        session_id uuid NOT NULL CONSTRAINT credentials_session_id_fkey REFERENCES sessions (id) ON DELETE CASCADE,
        strategy text NOT NULL,
        secret_hash bytea,
        counter bigint NOT NULL DEFAULT 0,
        generation integer NOT NULL DEFAULT 0,
        seed bytea NOT NULL,
        secret_id text,
        issued_at timestamptz(3) NOT NULL DEFAULT now(),
        last_used_at timestamptz(3) NOT NULL DEFAULT now(),
        rotated_at timestamptz(3),
        rotated_ip text,
        rotated_user_agent text,
        CONSTRAINT credentials_pkey PRIMARY KEY (session_id, strategy),
        CONSTRAINT credentials_strategy_secret_hash_key UNIQUE (strategy, secret_hash)
      )`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE credentials`);
    await queryRunner.query(`DROP TABLE sessions`);
    await queryRunner.query(`DROP TABLE users`);
  }
}
