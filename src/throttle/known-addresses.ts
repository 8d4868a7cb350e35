import { Injectable } from '@nestjs/common';
import { Database, type Queryable } from '../database/database.js';
import type { UserId } from '../principal/principal.js';
import { USER_COLUMNS, type UserAccount, type UserRow, userAccount } from '../users/user-account.js';
import { Throttle } from './throttle.js';
import { ThrottleKeys } from './throttle-keys.js';

/** How long an account's address counts as known after the last sign-in from it. */
export const KNOWN_DAYS = 30;

/** An account and the address that somebody asks for it from. */
export interface AccountSeen {
  /** Null when the email has none. */
  readonly account: UserAccount | null;
  /** Whether the account has signed in from the address lately. */
  readonly isKnown: boolean;
}

/** The addresses that an account has signed in from lately: a stranger's guesses do not lock it out there. */
@Injectable()
export class KnownAddresses {
  constructor(
    private readonly database: Database,
    private readonly keys: ThrottleKeys,
    private readonly throttle: Throttle,
  ) {}

  /** The account of a canonical email, and whether it knows the address. One statement, whether or not there is such an account. */
  async accountSeenFrom(email: string, address: string): Promise<AccountSeen> {
    const [row] = await this.database.query<UserRow & { knows: boolean }>(
      `SELECT ${USER_COLUMNS},
         EXISTS (SELECT FROM known_addresses k WHERE k.user_id = u.id AND k.address_hash = ANY($2::bytea[])
           AND k.last_seen > now() - make_interval(days => $3)) AS knows
       FROM users u WHERE u.email = $1`,
      [email, this.keys.address(address), KNOWN_DAYS],
      { prepare: true },
    );
    return row ? { account: userAccount(row), isKnown: row.knows } : { account: null, isKnown: false };
  }

  /** Remembers the address of a sign-in, in its transaction. With `THROTTLE=off` nobody would ask for it. */
  async remember(tx: Queryable, userId: UserId, address: string): Promise<void> {
    if (!this.throttle.enabled) return;
    const [hash] = this.keys.address(address);
    // Most sign-ins come from where the last one came from: no new version of the row for each of them.
    await tx.write({
      sql: `INSERT INTO known_addresses AS k (user_id, address_hash) VALUES ($1, $2)
       ON CONFLICT (user_id, address_hash) DO UPDATE SET last_seen = now() WHERE k.last_seen < now() - interval '1 hour'`,
      parameters: [userId, hash],
      prepare: true,
    });
  }
}
