import { Injectable } from '@nestjs/common';
import { AppConfig, type AppSecret } from '../../config/app-config.js';
import { Database, type Queryable } from '../../database/database.js';
import type { Act } from '../../events/act.js';
import { SecurityEvents } from '../../events/security-events.js';
import { Problem } from '../../http/problem.js';
import { CredentialStore } from '../../sessions/credential-store.js';
import type { Credential, CredentialWithSession, Fingerprint, Rotation } from '../../sessions/credential.js';
import type { SessionRecord } from '../../sessions/session-record.js';
import { SessionsService } from '../../sessions/sessions.service.js';
import { CredentialRejected } from '../auth-strategy.js';
import { liveOrRejected } from '../live-session.js';
import { type RefreshToken, isMadeFor, makeRefreshToken, readRefreshToken } from './refresh-token.js';

/** Who refreshes. */
interface Device extends Fingerprint {
  readonly act?: Act;
}

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

  /** The first token of a session, in the transaction `on` that starts it, or a new one that replaces all before it. */
  async issue({ id: sessionId }: SessionRecord, strategy: string, on?: Queryable): Promise<string> {
    const [secret] = this.config.secrets;
    const credential = await this.credentials.put({ sessionId, strategy, secretId: secret.id, on });
    if (!credential) throw new CredentialRejected('credential_invalid');
    return makeRefreshToken(secret, credential.seed, sessionId, credential.counter);
  }

  /** The token of a session that is running already: whoever asks is told the present one. @throws CredentialRejected */
  async obtain(session: SessionRecord, strategy: string): Promise<string> {
    const [{ id: secretId }] = this.config.secrets;
    const credential = await this.credentials.obtain({ sessionId: session.id, strategy, secretId });
    if (!credential) throw new CredentialRejected('credential_invalid');
    return this.current(credential);
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

  /** The live session of a token that `spend` would take; nothing is spent. @throws CredentialRejected, also with `refresh_reused`. */
  async prove(presented: string, strategy: string, device: Device): Promise<SessionRecord> {
    const { token, found } = await this.find(presented, strategy);
    const session = liveOrRejected(found.session);
    if (token.counter >= found.credential.counter) return session;
    if (!this.isFreshPredecessor(token, found)) return await this.endStolen(found, device);
    await this.reportReplay(found, device);
    return session;
  }

  /** Rotates a token, or answers a replay as the contract says. @throws CredentialRejected, also with `refresh_reused`. */
  async spend(presented: string, strategy: string, device: Device): Promise<Spent> {
    for (let round = 0; round < ROUNDS; round++) {
      const { token, found } = await this.find(presented, strategy);
      const session = liveOrRejected(found.session);
      const { credential, rotatedSecondsAgo } = found;
      const young = rotatedSecondsAgo < this.config.jwt.refreshGraceSeconds;
      if (young && token.counter === credential.counter) return { session, token: presented };
      if (this.isFreshPredecessor(token, found)) {
        await this.reportReplay(found, device);
        return { session, token: this.current(credential) };
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
    device: Device,
  ): Promise<string | null> {
    const [secret] = this.config.secrets;
    const { credential } = found;
    const to = { counter, secretId: secret.id, device };
    const rotation =
      counter > credential.counter + 1
        ? this.rotateAhead(found, to)
        : this.credentials.rotate(credential, to);
    this.rotations.set(presented, rotation);
    const rotated = await rotation.finally(() => this.rotations.delete(presented));
    if (!rotated) return null;
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

  /** Whether a token is the one that the last rotation spent, not long ago: several of one client may have held it. */
  private isFreshPredecessor(
    { counter }: RefreshToken,
    { credential, rotatedSecondsAgo }: CredentialWithSession,
  ): boolean {
    return counter === credential.counter - 1 && rotatedSecondsAgo < this.config.jwt.refreshGraceSeconds;
  }

  /** The one token that is good: made under the secret that was used for it, on whichever node. */
  private current(credential: Credential): string {
    const secret: AppSecret =
      this.config.secrets.find(({ id }) => id === credential.secretId) ?? this.config.secrets[0];
    return makeRefreshToken(secret, credential.seed, credential.sessionId, credential.counter);
  }

  /** A counter ahead of the row: the database was restored. Both or neither: the rotation and its record. */
  private rotateAhead(found: CredentialWithSession, to: Rotation & { device: Device }): Promise<boolean> {
    return this.database.transaction(async (tx) => {
      const rotated = await this.credentials.rotate(found.credential, to, tx);
      if (rotated) await this.publish('refresh_ahead', found, to.device, tx);
      return rotated;
    });
  }

  private async endStolen(found: CredentialWithSession, device: Device): Promise<never> {
    await this.database.transaction(async (tx) => {
      const act = device.act && { ...device.act, actor: 'system' as const };
      const ended = await this.sessions.end([found.session.id], 'refresh_reused', tx, act);
      // Of several replays at once, one ends it and is recorded.
      if (ended.length > 0) await this.publish('refresh_reused', found, device, tx);
    });
    throw new CredentialRejected('refresh_reused', 'A newer refresh token was used already. Sign in again.');
  }

  private async reportReplay(found: CredentialWithSession, device: Device): Promise<void> {
    const { rotatedBy } = found;
    if (rotatedBy.address === device.address && rotatedBy.userAgent === device.userAgent) return;
    await this.publish('refresh_replayed', found, device);
  }

  private async publish(
    type: 'refresh_replayed' | 'refresh_reused' | 'refresh_ahead',
    { session, rotatedBy }: CredentialWithSession,
    { address, userAgent, act }: Device,
    on?: Queryable,
  ): Promise<void> {
    const { id: sessionId, user } = session;
    await this.events.publish(
      { type, userId: user.id, sessionId, address, userAgent, previous: rotatedBy },
      on,
      act,
    );
  }
}
