import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The audit: what has happened, written once. No foreign keys, so that it outlives users and sessions. `bucket` names the minute
 * in which events of strangers are counted instead of written again.
 */
export class CreateAuditEvents1763750000016 implements MigrationInterface {
  readonly name = 'CreateAuditEvents1763750000016';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE audit_events (
        id uuid CONSTRAINT audit_events_pkey PRIMARY KEY,
        at timestamptz(3) NOT NULL DEFAULT now(),
        type text NOT NULL,
        actor text,
        user_id uuid,
        session_id uuid,
        ip text,
        user_agent text,
        request_id text,
        count integer NOT NULL DEFAULT 1,
        bucket text CONSTRAINT audit_events_bucket_key UNIQUE,
        details jsonb NOT NULL DEFAULT '{}'
      )`);
    // Rows without a user are in it too: whether an address has an account must not show in the time that writing takes.
    await queryRunner.query(`CREATE INDEX audit_events_user_id_at_idx ON audit_events (user_id, at, id)`);
    await queryRunner.query(`CREATE INDEX audit_events_at_idx ON audit_events (at)`);

    // Against mistakes and injected statements. Who owns the table can drop the triggers: the log lines are the second copy.
    await queryRunner.query(`
      CREATE FUNCTION keep_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'UPDATE' THEN
          IF OLD.bucket IS NOT NULL AND NEW.count > OLD.count AND to_jsonb(NEW) - 'count' = to_jsonb(OLD) - 'count' THEN
            RETURN NEW;
          END IF;
        ELSIF TG_OP = 'DELETE' THEN
          IF current_setting('latchkey.audit_retention', true) = 'over' THEN
            RETURN OLD;
          END IF;
        END IF;
        RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege';
      END $$`);
    await queryRunner.query(`
      CREATE TRIGGER audit_events_keep BEFORE UPDATE OR DELETE ON audit_events FOR EACH ROW
      EXECUTE FUNCTION keep_audit_events()`);
    await queryRunner.query(`
      CREATE TRIGGER audit_events_keep_all BEFORE TRUNCATE ON audit_events FOR EACH STATEMENT
      EXECUTE FUNCTION keep_audit_events()`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE audit_events`);
    await queryRunner.query(`DROP FUNCTION keep_audit_events()`);
  }
}
