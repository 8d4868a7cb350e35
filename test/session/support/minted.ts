import { createHash, randomBytes } from 'node:crypto';
import { sign } from 'cookie-signature';
import { v7 as uuidv7 } from 'uuid';
import { makeRefreshToken } from '../../../src/auth/strategies/refresh-token.js';
import { AccessTokens } from '../../../src/auth/strategies/access-token.js';
import { PasswordHasher } from '../../../src/passwords/password-hasher.js';
import type { SessionId, UserId } from '../../../src/principal/principal.js';
import { CsrfTokens } from '../../../src/security/csrf-tokens.js';
import { SessionsService } from '../../../src/sessions/sessions.service.js';
import type { TestApp } from '../../support/test-app.js';
import { PASSWORD, newEmail } from '../../support/test-client.js';

/** A user who can sign in with {@link PASSWORD}. */
export interface MintedUser {
  readonly id: UserId;
  readonly email: string;
}

/** A live session that nobody had to sign in for: a password hash costs 30 ms, and races need thousands of sessions. */
export interface MintedSession {
  readonly id: SessionId;
  readonly userId: UserId;
  /** The whole `Cookie` header. */
  readonly cookie: string;
}

let passwordHash: Promise<string> | undefined;

/** Users, in one statement and with one hash for all of them in a test file. */
export async function mintUsers(app: TestApp, count: number): Promise<MintedUser[]> {
  passwordHash ??= app.get(PasswordHasher).hash(PASSWORD);
  const users = Array.from({ length: count }, () => ({ id: uuidv7() as UserId, email: newEmail() }));
  await app.rows(
    'INSERT INTO users (id, email, password_hash) SELECT id, email, $3 FROM unnest($1::uuid[], $2::text[]) AS t(id, email)',
    [users.map(({ id }) => id), users.map(({ email }) => email), await passwordHash],
  );
  return users;
}

/** One user. */
export async function mintUser(app: TestApp): Promise<MintedUser> {
  const [user] = await mintUsers(app, 1);
  if (!user) throw new Error('no user was made');
  return user;
}

/**
 * One live session with a cookie for each of the users, exactly as a sign-in leaves them.
 * `idleForSeconds`: how long ago they were last used.
 */
export async function mintSessions(
  app: TestApp,
  userIds: readonly UserId[],
  { idleForSeconds = 0, ip = '127.0.0.1', userAgent = 'minted' } = {},
): Promise<MintedSession[]> {
  const { idleSeconds, absoluteSeconds } = app.config.session;
  const [secret] = app.config.secrets;
  const key = secret.derive('session-cookie').toString('base64url');
  const name = app.config.server.isHttps ? '__Host-sid' : 'sid';
  const made = userIds.map((userId) => {
    const value = randomBytes(32).toString('base64url');
    const id = uuidv7() as SessionId;
    const cookie = `${name}=${encodeURIComponent(`s:${sign(value, key)}`)}`;
    return { id, userId, cookie, hash: createHash('sha256').update(value).digest(), seed: randomBytes(16) };
  });
  await app.rows(
    `INSERT INTO sessions (id, user_id, factors, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at, ip, user_agent)
     SELECT id, user_id, '{password}', at, at, at, at + make_interval(secs => $3), at + make_interval(secs => $4), $6, $7
     FROM unnest($1::uuid[], $2::uuid[]) AS t(id, user_id), (SELECT now() - make_interval(secs => $5) AS at) AS past`,
    [
      made.map(({ id }) => id),
      made.map(({ userId }) => userId),
      idleSeconds,
      absoluteSeconds,
      idleForSeconds,
      ip,
      userAgent,
    ],
  );
  await app.rows(
    `INSERT INTO credentials (session_id, strategy, secret_hash, seed)
     SELECT id, 'session', hash, seed FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS t(id, hash, seed)`,
    [made.map(({ id }) => id), made.map(({ hash }) => hash), made.map(({ seed }) => seed)],
  );
  return made.map(({ id, userId, cookie }) => ({ id, userId, cookie }));
}

/** A live session with a cookie, of that user or of one of its own. */
export async function mintSession(app: TestApp, user?: MintedUser): Promise<MintedSession> {
  const { id } = user ?? (await mintUser(app));
  const [session] = await mintSessions(app, [id]);
  if (!session) throw new Error('no session was made');
  return session;
}

/** Gives a session the credential of the jwt strategy too. */
export async function mintTokens(
  app: TestApp,
  sessionId: SessionId,
): Promise<{ accessToken: string; refreshToken: string }> {
  const seed = randomBytes(16);
  const [secret] = app.config.secrets;
  await app.rows(
    `INSERT INTO credentials (session_id, strategy, seed, secret_id, issued_at) VALUES ($1, 'jwt', $2, $3, now() - interval '1 hour')`,
    [sessionId, seed, secret.id],
  );
  const record = await app.get(SessionsService).findById(sessionId);
  if (!record) throw new Error('no such session');
  return {
    accessToken: app.get(AccessTokens).issue(record).token,
    refreshToken: makeRefreshToken(secret, seed, sessionId, 0),
  };
}

/** A CSRF token for the session. */
export function csrfTokenFor(app: TestApp, sessionId: SessionId): string {
  return app.get(CsrfTokens).issue(sessionId);
}
