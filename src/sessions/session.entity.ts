import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import type { SessionId, UserId } from '../principal/principal.js';
import { User } from '../users/user.entity.js';

/**
 * One sign-in on one device, in every auth mode. It lives while `ended_at` is null and both `idle_expires_at` and
 * `expires_at` lie ahead, by the clock of the database. All times are the database's.
 */
@Entity('sessions')
@Index('sessions_live_by_user_idx', ['userId', 'lastSeenAt'], { where: 'ended_at IS NULL' })
@Index('sessions_user_id_idx', ['userId'])
@Index('sessions_expires_at_idx', ['expiresAt'])
@Index('sessions_ended_at_idx', ['endedAt'], { where: 'ended_at IS NOT NULL' })
export class Session {
  /** UUID version 7, made by the application: the `sid` of the contract. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'sessions_pkey' })
  id!: SessionId;

  @ForeignKey(() => User, { name: 'sessions_user_id_fkey', onDelete: 'CASCADE' })
  @Column('uuid', { name: 'user_id' })
  userId!: UserId;

  @Column('timestamp with time zone', { name: 'created_at', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  /** When the user last proved who they are. */
  @Column('timestamp with time zone', { name: 'authenticated_at', precision: 3 })
  authenticatedAt!: Date;

  /** What was proven at sign-in, in order: `password` today. */
  @Column('text', { array: true })
  factors!: string[];

  /** Moves in steps of up to a minute, so that reading costs no write. */
  @Column('timestamp with time zone', { name: 'last_seen_at', precision: 3 })
  lastSeenAt!: Date;

  @Column('timestamp with time zone', { name: 'idle_expires_at', precision: 3 })
  idleExpiresAt!: Date;

  /** The absolute end: never moves. */
  @Column('timestamp with time zone', { name: 'expires_at', precision: 3 })
  expiresAt!: Date;

  @Column('timestamp with time zone', { name: 'ended_at', precision: 3, nullable: true })
  endedAt!: Date | null;

  /** Why it ended before its time, for the audit: `logout`, `password_change`, ... */
  @Column('text', { name: 'ended_reason', nullable: true })
  endedReason!: string | null;

  /** Where it was opened from. Text, because `inet` refuses the zone ids of link-local addresses (`fe80::1%eth0`). */
  @Column('text', { nullable: true })
  ip!: string | null;

  /** At most 512 characters, cut by the application. */
  @Column('text', { name: 'user_agent', nullable: true })
  userAgent!: string | null;

  /** Opened with `remember: true`: it has the longer lifetimes, and its cookie outlives the browser. */
  @Column('boolean', { default: false })
  remembered!: boolean;
}
