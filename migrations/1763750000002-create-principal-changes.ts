import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The log by which nodes learn that something they keep in memory about a caller is no longer true. Triggers write it, in the
 * transaction of the change itself, so that it holds for a change by hand in psql too. Both ids null: everything.
 */
export class CreatePrincipalChanges1763750000002 implements MigrationInterface {
  readonly name = 'CreatePrincipalChanges1763750000002';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE principal_changes (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT principal_changes_pkey PRIMARY KEY,
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        session_id uuid,
        user_id uuid,
        at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await queryRunner.query(`CREATE INDEX principal_changes_xid_idx ON principal_changes (xid)`);
    await queryRunner.query(`CREATE INDEX principal_changes_at_idx ON principal_changes (at)`);

    await queryRunner.query(`
      CREATE FUNCTION note_session_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO principal_changes (session_id) VALUES (OLD.id);
        RETURN NULL;
      END $$`);
    // What only moves a session's life further on (activity) makes nothing untrue.
    await queryRunner.query(`
      CREATE TRIGGER sessions_note_update AFTER UPDATE ON sessions FOR EACH ROW
      WHEN (NEW.ended_at IS DISTINCT FROM OLD.ended_at OR NEW.expires_at < OLD.expires_at
        OR NEW.idle_expires_at < OLD.idle_expires_at OR NEW.user_id <> OLD.user_id OR NEW.id <> OLD.id
        OR NEW.factors <> OLD.factors OR NEW.authenticated_at <> OLD.authenticated_at)
      EXECUTE FUNCTION note_session_change()`);
    // Pruning deletes what has ended long ago: nobody keeps that any more.
    await queryRunner.query(`
      CREATE TRIGGER sessions_note_delete AFTER DELETE ON sessions FOR EACH ROW
      WHEN (OLD.ended_at IS NULL AND OLD.expires_at > now())
      EXECUTE FUNCTION note_session_change()`);

    await queryRunner.query(`
      CREATE FUNCTION note_credential_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO principal_changes (session_id) SELECT id FROM sessions WHERE id = OLD.session_id AND ended_at IS NULL;
        RETURN NULL;
      END $$`);
    await queryRunner.query(`
      CREATE TRIGGER credentials_note_update AFTER UPDATE ON credentials FOR EACH ROW
      WHEN (NEW.secret_hash IS DISTINCT FROM OLD.secret_hash OR NEW.session_id <> OLD.session_id OR NEW.strategy <> OLD.strategy)
      EXECUTE FUNCTION note_credential_change()`);
    await queryRunner.query(`
      CREATE TRIGGER credentials_note_delete AFTER DELETE ON credentials FOR EACH ROW
      EXECUTE FUNCTION note_credential_change()`);

    await queryRunner.query(`
      CREATE FUNCTION note_user_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO principal_changes (user_id) VALUES (OLD.id);
        RETURN NULL;
      END $$`);
    await queryRunner.query(`
      CREATE TRIGGER users_note_update AFTER UPDATE ON users FOR EACH ROW
      WHEN (NEW IS DISTINCT FROM OLD) EXECUTE FUNCTION note_user_change()`);
    await queryRunner.query(`
      CREATE TRIGGER users_note_delete AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION note_user_change()`);

    // A withdrawn key, a deleted one, and an emptied table: whatever was verified or known before is in doubt.
    await queryRunner.query(`
      CREATE FUNCTION note_everything_changed() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO principal_changes DEFAULT VALUES;
        RETURN NULL;
      END $$`);
    await queryRunner.query(`
      CREATE TRIGGER signing_keys_note_withdrawal AFTER UPDATE ON signing_keys FOR EACH ROW
      WHEN (NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at AND NEW.withdrawn_at <= now())
      EXECUTE FUNCTION note_everything_changed()`);
    await queryRunner.query(`
      CREATE TRIGGER signing_keys_note_delete AFTER DELETE ON signing_keys FOR EACH STATEMENT
      EXECUTE FUNCTION note_everything_changed()`);
    for (const table of ['users', 'sessions', 'credentials', 'signing_keys']) {
      await queryRunner.query(`
        CREATE TRIGGER ${table}_note_truncate AFTER TRUNCATE ON ${table} FOR EACH STATEMENT
        EXECUTE FUNCTION note_everything_changed()`);
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of ['users', 'sessions', 'credentials', 'signing_keys']) {
      await queryRunner.query(`DROP TRIGGER ${table}_note_truncate ON ${table}`);
    }
    await queryRunner.query(`DROP TRIGGER signing_keys_note_delete ON signing_keys`);
    await queryRunner.query(`DROP TRIGGER signing_keys_note_withdrawal ON signing_keys`);
    for (const table of ['users', 'credentials', 'sessions']) {
      await queryRunner.query(`DROP TRIGGER ${table}_note_update ON ${table}`);
      await queryRunner.query(`DROP TRIGGER ${table}_note_delete ON ${table}`);
    }
    for (const name of ['everything_changed', 'user_change', 'credential_change', 'session_change']) {
      await queryRunner.query(`DROP FUNCTION note_${name}()`);
    }
    await queryRunner.query(`DROP TABLE principal_changes`);
  }
}
