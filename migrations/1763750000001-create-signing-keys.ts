import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateSigningKeys1763750000001 implements MigrationInterface {
  readonly name = 'CreateSigningKeys1763750000001';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE signing_keys (
        id text CONSTRAINT signing_keys_pkey PRIMARY KEY,
        algorithm text NOT NULL,
        encrypted_private_key bytea NOT NULL,
        secret_id text NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        signs_from timestamptz(3) NOT NULL,
        retired_at timestamptz(3),
        withdrawn_at timestamptz(3)
      )`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE signing_keys`);
  }
}
