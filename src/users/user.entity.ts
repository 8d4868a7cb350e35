import { Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';
import type { UserId } from '../principal/principal.js';

/** One account. Never an answer of the API: what a client may see of it is the user view. */
@Entity('users')
@Unique('users_email_key', ['email'])
@Index('users_admins_idx', ['id'], { where: "disabled_at IS NULL AND 'admin' = ANY (roles)" })
// Their operator classes and expressions are beyond TypeORM: they are in the migration alone.
@Index('users_email_prefix_idx', { synchronize: false })
@Index('users_name_prefix_idx', { synchronize: false })
export class User {
  /** UUID version 7, made by the application. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'users_pkey' })
  id!: UserId;

  /** The canonical form (contract 8), so that one mailbox has one account. */
  @Column('text')
  email!: string;

  /** What to call the user: 1 to 100 code points, or null. */
  @Column('text', { nullable: true })
  name!: string | null;

  /** argon2id in PHC string form. */
  @Column('text', { name: 'password_hash' })
  passwordHash!: string;

  @Column('text', { array: true, default: () => "'{user}'" })
  roles!: string[];

  @Column('timestamp with time zone', { name: 'created_at', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  @Column('timestamp with time zone', { name: 'updated_at', precision: 3, default: () => 'now()' })
  updatedAt!: Date;

  /** Since when the account may not sign in; null while it may. */
  @Column('timestamp with time zone', { name: 'disabled_at', precision: 3, nullable: true })
  disabledAt!: Date | null;
}
