import type { MigrationInterface, QueryRunner } from 'typeorm';

/** For the search of administrators by the beginning of an email or a name, and for finding the administrators themselves. */
export class CreateUserSearchIndexes1763750000017 implements MigrationInterface {
  readonly name = 'CreateUserSearchIndexes1763750000017';

  async up(queryRunner: QueryRunner): Promise<void> {
    // LIKE 'prefix%' uses an index only by bytes, whatever the collation of the database.
    await queryRunner.query(`CREATE INDEX users_email_prefix_idx ON users (email text_pattern_ops)`);
    await queryRunner.query(`CREATE INDEX users_name_prefix_idx ON users (lower(name) text_pattern_ops)`);
    await queryRunner.query(
      `CREATE INDEX users_admins_idx ON users (id) WHERE disabled_at IS NULL AND 'admin' = ANY (roles)`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX users_admins_idx`);
    await queryRunner.query(`DROP INDEX users_name_prefix_idx`);
    await queryRunner.query(`DROP INDEX users_email_prefix_idx`);
  }
}
