import { Injectable } from '@nestjs/common';
import { AppConfig, type AppSecret } from '../../config/app-config.js';
import { Database, type Queryable } from '../../database/database.js';
import { SecurityEvents } from '../../events/security-events.js';
import { Problem } from '../../http/problem.js';
import {
  CredentialStore,
  type CredentialWithSession,
  type Fingerprint,
} from '../../sessions/credential-store.js';
import type { SessionRecord } from '../../sessions/session-record.js';
import { SessionsService } from '../../sessions/sessions.service.js';
import { CredentialRejected } from '../auth-strategy.js';
import { liveOrRejected } from '../live-session.js';
import { type RefreshToken, isMadeFor, makeRefreshToken, readRefreshToken } from './refresh-token.js';

/** Each round is lost only to a request that has just rotated the same token, and the next round then finds its successor. */
const ROUNDS = 5;

type Spent = { session: SessionRecord; token: string };

/**
 * Rotation of refresh tokens without losing anybody: parallel refreshes, lost answers and answers that overtake each other stay
 * on one lineage; a token that was used before and comes again later ends the session (RFC 9700 section 4.14.2).
 */
@Injectable()
export class RefreshTokens {
  /** By token: the rotations of it that this node is trying at the moment. */
  private readonly rotations = new Map<string, Promise<boolean>>();

  constructor(
    private readonly config: AppConfig,
    private readonly credentials: CredentialStore,
    private readonly sessions: SessionsService,
    private readonly events: SecurityEvents,
    private readonly database: Database,
  ) {}

  /** The first token of a session, or a new one that replaces all before it. */
  async issue(session: SessionRecord, strategy: string): Promise<string> {
    const [secret] = this.config.secrets;
    const credential = await this.credentials.put({ sessionId: session.id, strategy, secretId: secret.id });
    if (!credential) throw new CredentialRejected('credential_invalid');
    return makeRefreshToken(secret, credential.seed, session.id, credential.counter);
  }

  /** What a token says of itself, if it is one of ours. Costs no I/O and proves nothing about its row. */
  read(token: string): RefreshToken | null {
    return readRefreshToken(this.config.secrets, token);
  }

  /** The live session of a token, spent or not. @throws CredentialRejected */
  async authenticate(presented: string, strategy: string): Promise<SessionRecord> {
    const { found } = await this.find(presented, strategy);
    return liveOrRejected(found.session);
  }

  /** Rotates a token, or answers a replay as the contract says. @throws CredentialRejected, also with `refresh_reused`. */
  async spend(presented: string, strategy: string, device: Fingerprint): Promise<Spent> {
    for (let round = 0; round < ROUNDS; round++) {
      const { token, found } = await this.find(presented, strategy);
      const session = liveOrRejected(found.session);
      const { credential, rotatedSecondsAgo } = found;
      const young = rotatedSecondsAgo < this.config.jwt.refreshGraceSeconds;
      if (young && token.counter === credential.counter) return { session, token: presented };
      if (young && token.counter === credential.counter - 1) {
        await this.reportReplay(found, device);
        return { session, token: this.successor(found) };
      }
      if (token.counter < credential.counter) return await this.endStolen(found, device);
      const rotating = this.rotations.get(presented);
      // Whatever comes of it, the next round sees it: there is nothing to gain by queueing for the same row.
      if (rotating) await rotating.catch(() => undefined);
      else {
        const successor = await this.rotate(presented, token.counter + 1, found, device);
        if (successor !== null) return { session, token: successor };
      }
    }
    throw new Problem('unavailable', { retryAfterSeconds: 1 });
  }

  /** @returns the new token, or null when another request was quicker */
  private async rotate(
    presented: string,
    counter: number,
    found: CredentialWithSession,
    device: Fingerprint,
  ): Promise<string | null> {
    const [secret] = this.config.secrets;
    const { credential } = found;
    const rotation = this.credentials.rotate(credential, { counter, secretId: secret.id, device });
    this.rotations.set(presented, rotation);
    const rotated = await rotation.finally(() => this.rotations.delete(presented));
    if (!rotated) return null;
    if (counter > credential.counter + 1) await this.publish('refresh_ahead', found, device);
    return makeRefreshToken(secret, credential.seed, credential.sessionId, counter);
  }

  private async find(
    presented: string,
    strategy: string,
  ): Promise<{ token: RefreshToken; found: CredentialWithSession }> {
    const token = this.read(presented);
    const found = token && (await this.credentials.find(token.sessionId, strategy));
    if (!found || !isMadeFor(token, found.credential.seed))
      throw new CredentialRejected('credential_invalid');
    return { token, found };
  }

  /** The one token that follows the replayed one: made under the secret that the rotation used, on whichever node. */
  private successor({ credential }: CredentialWithSession): string {
    const secret: AppSecret =
      this.config.secrets.find(({ id }) => id === credential.secretId) ?? this.config.secrets[0];
    return makeRefreshToken(secret, credential.seed, credential.sessionId, credential.counter);
  }

  private async endStolen(found: CredentialWithSession, device: Fingerprint): Promise<never> {
    await this.database.transaction(async (tx) => {
      const ended = await this.sessions.end([found.session.id], 'refresh_reused', tx);
      // Of several replays at once, one ends it and is recorded.
      if (ended.length > 0) await this.publish('refresh_reused', found, device, tx);
    });
    throw new CredentialRejected('refresh_reused', 'A newer refresh token was used already. Sign in again.');
  }

  private async reportReplay(
    found: CredentialWithSession,
    { address, userAgent }: Fingerprint,
  ): Promise<void> {
    const { rotatedBy } = found;
    if (rotatedBy.address === address && rotatedBy.userAgent === userAgent) return;
    await this.publish('refresh_replayed', found, { address, userAgent });
  }

  private async publish(
    type: 'refresh_replayed' | 'refresh_reused' | 'refresh_ahead',
    { session, rotatedBy }: CredentialWithSession,
    { address, userAgent }: Fingerprint,
    on?: Queryable,
  ): Promise<void> {
    const { id: sessionId, user } = session;
    await this.events.publish(
      { type, userId: user.id, sessionId, address, userAgent, previous: rotatedBy },
      on,
    );
  }
}
