import { Injectable } from '@nestjs/common';
import { Database, type Queryable } from '../database/database.js';
import type { UserId } from '../principal/principal.js';
import { USER_COLUMNS, type UserAccount, type UserRow, userAccount } from '../users/user-account.js';
import { Throttle } from './throttle.js';
import { ThrottleKeys } from './throttle-keys.js';

/** How long an account's address counts as known after the last sign-in from it. */
export const KNOWN_DAYS = 30;
/** How old the last sign-in from there may be before another one is written down (an interval of SQL). */
const RENEWED_AFTER = '1 hour';

interface Known {
  readonly knows: boolean;
  readonly remembers: boolean;
}

/** An account and the address that somebody asks for it from. */
export interface AccountSeen {
  /** Null when the email has none. */
  readonly account: UserAccount | null;
  /** Whether the account has signed in from the address lately. */
  readonly isKnown: boolean;
  /** Whether that was within the last hour, so that there is nothing new to {@link KnownAddresses.remember}. */
  readonly isRemembered: boolean;
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
    const [row] = await this.database.query<UserRow & Known>(
      `SELECT ${USER_COLUMNS}, coalesce(k.knows, false) AS knows, coalesce(k.remembers, false) AS remembers
       FROM users u LEFT JOIN LATERAL (
         SELECT bool_or(last_seen > now() - make_interval(days => $3)) AS knows,
           bool_or(address_hash = ($2::bytea[])[1] AND last_seen > now() - interval '${RENEWED_AFTER}') AS remembers
         FROM known_addresses WHERE user_id = u.id AND address_hash = ANY($2::bytea[])) k ON true
       WHERE u.email = $1`,
      [email, this.keys.address(address), KNOWN_DAYS],
      { prepare: true },
    );
    if (!row) return { account: null, isKnown: false, isRemembered: false };
    return { account: userAccount(row), isKnown: row.knows, isRemembered: row.remembers };
  }

  /** Remembers the address of a sign-in, in its transaction. With `THROTTLE=off` nobody would ask for it. */
  async remember(tx: Queryable, userId: UserId, address: string): Promise<void> {
    if (!this.throttle.enabled) return;
    const [hash] = this.keys.address(address);
    // Most sign-ins come from where the last one came from: no new version of the row for each of them.
    await tx.write({
      sql: `INSERT INTO known_addresses AS k (user_id, address_hash) VALUES ($1, $2)
       ON CONFLICT (user_id, address_hash) DO UPDATE SET last_seen = now() WHERE k.last_seen < now() - interval '${RENEWED_AFTER}'`,
      parameters: [userId, hash],
      prepare: true,
    });
  }
}
