import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateThrottleTables1763750000010 implements MigrationInterface {
  readonly name = 'CreateThrottleTables1763750000010';

  async up(queryRunner: QueryRunner): Promise<void> {
    // Unlogged: counters are written with each attempt and worth nothing after a crash, so they need no write-ahead log.
    await queryRunner.query(`
      CREATE UNLOGGED TABLE throttle_counters (
        key text CONSTRAINT throttle_counters_pkey PRIMARY KEY,
        points integer NOT NULL,
        expires_at timestamptz(3) NOT NULL
      ) WITH (fillfactor = 70)`);
    // Pruning in small batches.
    await queryRunner.query(
      `CREATE INDEX throttle_counters_expires_at_idx ON throttle_counters (expires_at)`,
    );
    await queryRunner.query(`
      CREATE TABLE known_addresses (
        user_id uuid NOT NULL CONSTRAINT known_addresses_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
        address_hash bytea NOT NULL,
        last_seen timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT known_addresses_pkey PRIMARY KEY (user_id, address_hash)
      )`);
    await queryRunner.query(`CREATE INDEX known_addresses_last_seen_idx ON known_addresses (last_seen)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE known_addresses`);
    await queryRunner.query(`DROP TABLE throttle_counters`);
  }
}
