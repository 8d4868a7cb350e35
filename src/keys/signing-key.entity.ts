import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A key that signs access tokens: published from its creation, signing from `signs_from` until `retired_at`, accepted until `withdrawn_at`. */
@Entity('signing_keys')
export class SigningKey {
  /** The `kid` of the tokens that it signs. */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'signing_keys_pkey' })
  id!: string;

  /** The JWS algorithm: `ES256`, `RS256` or `PS256`. */
  @Column('text')
  algorithm!: string;

  /** The private key, encrypted with a key that is derived from the application secret. */
  @Column('bytea', { name: 'encrypted_private_key' })
  encryptedPrivateKey!: Buffer;

  /** Which application secret encrypts it (`AppSecret.id`). */
  @Column('text', { name: 'secret_id' })
  secretId!: string;

  @Column('timestamp with time zone', { name: 'created_at', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  @Column('timestamp with time zone', { name: 'signs_from', precision: 3 })
  signsFrom!: Date;

  /** It signs no more from here on; what it has signed is still accepted. */
  @Column('timestamp with time zone', { name: 'retired_at', precision: 3, nullable: true })
  retiredAt!: Date | null;

  /** It is neither published nor accepted from here on. */
  @Column('timestamp with time zone', { name: 'withdrawn_at', precision: 3, nullable: true })
  withdrawnAt!: Date | null;
}
