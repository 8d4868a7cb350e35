import { Column, Entity, ForeignKey, PrimaryColumn, Unique } from 'typeorm';
import type { SessionId } from '../principal/principal.js';
import { Session } from './session.entity.js';

/** What the client holds for a session: one row per strategy, so that a session can hold several. No secret is readable in it. */
@Entity('credentials')
@Unique('credentials_strategy_secret_hash_key', ['strategy', 'secretHash'])
export class Credential {
  @ForeignKey(() => Session, { name: 'credentials_session_id_fkey', onDelete: 'CASCADE' })
  @PrimaryColumn('uuid', { name: 'session_id', primaryKeyConstraintName: 'credentials_pkey' })
  sessionId!: SessionId;

  /** The name of the strategy that issued it. */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'credentials_pkey' })
  strategy!: string;

  /** SHA-256 of what the client shows, where that is looked up; null where it is computed from the row. */
  @Column('bytea', { name: 'secret_hash', nullable: true })
  secretHash!: Buffer | null;

  /** How often the refresh token has been rotated: the only one that is good carries this number. */
  @Column('bigint', { default: 0, transformer: { to: (value: number) => value, from: Number } })
  counter!: number;

  /** Moves at a password change, so that everything derived before is dead. */
  @Column('integer', { default: 0 })
  generation!: number;

  /** 16 random bytes, drawn by the application: without the row nothing can be derived, whatever else is known. */
  @Column('bytea')
  seed!: Buffer;

  /** Which application secret signed what the client holds now (`AppSecret.id`), while secrets rotate. */
  @Column('text', { name: 'secret_id', nullable: true })
  secretId!: string | null;

  @Column('timestamp with time zone', { name: 'issued_at', precision: 3, default: () => 'now()' })
  issuedAt!: Date;

  @Column('timestamp with time zone', { name: 'last_used_at', precision: 3, default: () => 'now()' })
  lastUsedAt!: Date;

  /** When the refresh token was last rotated: its direct predecessor is still answered for a short grace. */
  @Column('timestamp with time zone', { name: 'rotated_at', precision: 3, nullable: true })
  rotatedAt!: Date | null;

  /** Who rotated it last, for the event that a replay of an older one raises. */
  @Column('text', { name: 'rotated_ip', nullable: true })
  rotatedIp!: string | null;

  @Column('text', { name: 'rotated_user_agent', nullable: true })
  rotatedUserAgent!: string | null;
}
