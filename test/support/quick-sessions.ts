import type { AuthStrategy } from '../../src/auth/auth-strategy.js';
import type { HttpExchange } from '../../src/auth/http-exchange.js';
import { SessionStrategy } from '../../src/auth/strategies/session.strategy.js';
import { AccessTokens } from '../../src/auth/strategies/access-token.js';
import { RefreshTokens } from '../../src/auth/strategies/refresh-tokens.js';
import { Database } from '../../src/database/database.js';
import type { SessionId, UserId } from '../../src/principal/principal.js';
import type { SessionRecord } from '../../src/sessions/session-record.js';
import { SessionsService } from '../../src/sessions/sessions.service.js';
import { OpaqueStrategy } from '../examples/opaque.strategy.js';
import { parseSetCookie } from './cookie-jar.js';
import type { TestApp } from './test-app.js';

/** A session and the header that carries its credential. */
export interface QuickSession {
  readonly id: SessionId;
  readonly headers: Readonly<Record<string, string>>;
}

/** Opens a session for a user without the password hash that a login costs, by the application's own services. */
export async function openSession(
  app: TestApp,
  userId: string,
  strategy: 'session' | 'jwt' | 'opaque',
): Promise<QuickSession> {
  const record = await app.get(Database).transaction((tx) =>
    app.get(SessionsService).start(tx, {
      userId: userId as UserId,
      factors: ['password'],
      remember: false,
      replaces: [],
      address: '127.0.0.1',
      userAgent: 'quick',
    }),
  );
  return {
    id: record.id,
    headers: await HEADERS[strategy](app, record),
  };
}

const HEADERS = { session: cookie, jwt: bearer, opaque };

async function cookie(app: TestApp, record: SessionRecord): Promise<Record<string, string>> {
  const cookies: string[] = [];
  const exchange = { setCookie: (line: string) => void cookies.push(line) };
  await app.get(SessionStrategy).issue(record, exchange as unknown as HttpExchange);
  const [sid] = cookies.map(parseSetCookie);
  return { cookie: `${sid?.name}=${sid?.value}` };
}

async function bearer(app: TestApp, record: SessionRecord): Promise<Record<string, string>> {
  await app.get(RefreshTokens).issue(record, 'jwt');
  return { authorization: `Bearer ${app.get(AccessTokens).issue(record).token}` };
}

async function opaque(app: TestApp, record: SessionRecord): Promise<Record<string, string>> {
  const exchange = {} as HttpExchange;
  const { accessToken } = await app.get<AuthStrategy>(OpaqueStrategy).issue(record, exchange);
  return { authorization: `Bearer ${accessToken}` };
}
