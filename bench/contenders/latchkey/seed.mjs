// Fills Latchkey's database and makes credentials by the strategies of the build itself.
import { JwtStrategy } from '../../../dist/src/auth/strategies/jwt.strategy.js';
import { SessionStrategy } from '../../../dist/src/auth/strategies/session.strategy.js';
import { PasswordHasher } from '../../../dist/src/passwords/password-hasher.js';
import { SessionsService } from '../../../dist/src/sessions/sessions.service.js';
import { PASSWORD } from '../shared/people.mjs';
import { fill, finish, keepRequests, seeding } from '../shared/seeding.mjs';
import { application } from './application.mjs';
import { ORIGIN } from './environment.mjs';
import { fillCredentials, fillUsersAndSessions, someSessions } from './rows.mjs';

const PARALLEL = 8;
/** Users and sessions in the tables; `count` of them, from all over, get credentials that we know. */
const total = Number(process.env.BENCH_ROWS ?? seeding.count);
const name = process.env.BENCH_VARIANT ?? 'latchkey';

const app = await application({
  databaseUrl: seeding.databaseUrl,
  secret: seeding.secret,
  mode: 'session,jwt',
});
await app.listen(0, '127.0.0.1');
const get = (type) => app.get(type, { strict: false });
const [sessions, sessionStrategy, jwtStrategy] = [SessionsService, SessionStrategy, JwtStrategy].map(get);
const passwordHash = await get(PasswordHasher).hash(PASSWORD);

/** A request that carries nothing, from no browser; keeps the cookies that it is given. */
function exchange() {
  const cookies = [];
  return {
    request: { headers: {}, raw: { rawHeaders: [] } },
    address: '127.0.0.1',
    userAgent: 'latchkey-bench',
    origin: undefined,
    isBrowser: false,
    hasBearerScheme: false,
    bearerToken: null,
    cookies: () => [],
    bodyField: () => null,
    setCookie: (cookie) => void cookies.push(cookie.split(';', 1)[0]),
    given: cookies,
  };
}

async function credentialsOf({ id, email }) {
  const record = await sessions.findById(id);
  const cookieExchange = exchange();
  const { csrfToken } = await sessionStrategy.issue(record, cookieExchange);
  const { accessToken, refreshToken } = await jwtStrategy.issue(record, exchange());
  const cookie = cookieExchange.given.find((pair) => !pair.startsWith('CSRF-TOKEN='));
  return { id, email, cookie, csrfToken, accessToken, refreshToken };
}

const known = await fill(async (client) => {
  await fillUsersAndSessions(client, { count: total, passwordHash });
  await client.query('ANALYZE');
  const chosen = await someSessions(client, seeding.count);
  const made = [];
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (let next = chosen.pop(); next; next = chosen.pop()) made.push(await credentialsOf(next));
    }),
  );
  await fillCredentials(client);
  // Older than the grace: a younger refresh token is not rotated but handed back.
  await client.query(
    `UPDATE credentials SET issued_at = now() - interval '10 minutes' WHERE strategy = 'jwt'`,
  );
  return made;
});

const me = (headers) => ({ path: '/auth/me', headers });
const byCookie = known.map(({ cookie }) => me({ Cookie: cookie }));
const byToken = known.map(({ accessToken }) => me({ Authorization: `Bearer ${accessToken}` }));
const login = (email, password) => ({ method: 'POST', path: '/auth/login', body: { email, password } });
const WRONG = `${PASSWORD} or not`;

finish({
  session: keepRequests(`${name}-session`, byCookie),
  jwt: keepRequests(`${name}-jwt`, byToken),
  'session,jwt': keepRequests(
    `${name}-both`,
    byCookie.flatMap((request, index) => [request, byToken[index]]),
  ),
  login: keepRequests(
    `${name}-login`,
    known.map(({ email }) => login(email, PASSWORD)),
  ),
  // Pairs, in changing order: an account that exists, and one that does not.
  timing: keepRequests(
    `${name}-timing`,
    known.flatMap(({ email }, index) => {
      const pair = [login(email, WRONG), login(email.replace('user', 'none'), WRONG)];
      return index % 2 === 0 ? pair : pair.reverse();
    }),
  ),
  refresh: keepRequests(
    `${name}-refresh`,
    known.map(({ refreshToken }) => ({ method: 'POST', path: '/auth/refresh', body: { refreshToken } })),
  ),
  // In turn by cookie and by token.
  victims: keepRequests(
    `${name}-victims`,
    known.map(({ id, cookie, csrfToken, accessToken }, index) => {
      const headers = index % 2 === 0 ? { Cookie: cookie } : { Authorization: `Bearer ${accessToken}` };
      const proof = index % 2 === 0 ? { Origin: ORIGIN, 'X-CSRF-Token': csrfToken } : {};
      return {
        sessionId: id,
        me: me(headers),
        logout: { method: 'POST', path: '/auth/logout', headers: { ...headers, ...proof } },
      };
    }),
  ),
});
