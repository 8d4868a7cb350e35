// What GET /auth/verify costs beside GET /auth/me: npm run build && node scripts/bench-forward-auth.mjs
// Warm: the credential is remembered, as for all but its first request in a minute. Cold: it never is (the cache is off), so every
// request asks the database, and for verify signs a token.
import { randomBytes } from 'node:crypto';
import { CpuServer, middle, withPostgres } from './support/cpu-server.mjs';

const ROUNDS = 9;
const REQUESTS = { warm: 3000, cold: 600 };
/** What the project promises of a warm one. */
const LIMIT = 0.85;

const secret = randomBytes(32).toString('base64');
console.log(
  `Node ${process.version}, ${ROUNDS} rounds; microseconds of CPU for one request, and how many verify serves for one me`,
);
await withPostgres(async (databaseUrl) => {
  for (const name of ['warm', 'cold']) {
    for (const mode of ['session', 'jwt']) {
      const cache = name === 'warm' ? 'on' : 'off';
      const server = await CpuServer.start({ databaseUrl, secret, mode, cache });
      try {
        const { me, verify, ratio } = await measure(server, REQUESTS[name]);
        const verdict = name === 'warm' ? ` (must be at least ${LIMIT})` : '';
        console.log(
          `${`${name} ${mode}`.padEnd(14)} me ${me.toFixed(0)}, verify ${verify.toFixed(0)}, ratio ${ratio.toFixed(2)}${verdict}`,
        );
        if (name === 'warm' && ratio < LIMIT) process.exitCode = 1;
      } finally {
        server.stop();
      }
    }
  }
});

async function measure(server, requests) {
  const rounds = [];
  for (let round = -2; round < ROUNDS; round++) {
    // In turn, and the first alternates: what the machine does to one it does to the other.
    const paths = round % 2 ? ['/auth/me', '/auth/verify'] : ['/auth/verify', '/auth/me'];
    const costs = {};
    for (const path of paths) costs[path] = await server.cost(path, requests);
    if (round >= 0) rounds.push({ me: costs['/auth/me'], verify: costs['/auth/verify'] });
  }
  return {
    me: middle(rounds.map(({ me }) => me)),
    verify: middle(rounds.map(({ verify }) => verify)),
    ratio: middle(rounds.map(({ me, verify }) => me / verify)),
  };
}
