import { withClient } from '../lib/postgres.mjs';

/** POST /auth/refresh, every token once: each answer is a rotation. */
export function steps(bench, results) {
  const { refreshRounds: rounds, refreshConnections, credentials, refreshes } = bench.profile;
  const warm = Math.ceil(credentials / 10);
  const count = Math.min(refreshes, credentials - warm);
  return Array.from({ length: rounds }, (_, round) => round + 1).flatMap((round) =>
    bench
      .having(({ refresh }) => refresh)
      .map((contender) => ({
        label: `refresh, round ${round} of ${rounds}: ${contender.label}`,
        contender,
        seconds: 3 + count / 800,
        run: async () => {
          const { files, database } = bench.data.get(contender.family);
          await withClient(database.url, rewind);
          const spec = { file: files.refresh, connections: refreshConnections };
          const run = await bench.withServer(contender, {}, async (server) => {
            await bench.measure(server, { ...spec, first: warm, count: warm });
            return bench.measure(server, { ...spec, skip: warm, first: count, count });
          });
          (results[contender.id] ??= []).push(run);
          return `${Math.round(run.perSecond).toLocaleString('en')} a second`;
        },
      })),
  );
}

/** Makes the tokens of the start the current ones again, and older than the grace. */
async function rewind(client) {
  await client.query(
    `UPDATE credentials SET counter = 0, rotated_at = NULL, issued_at = now() - interval '10 minutes'
     WHERE strategy = 'jwt' AND counter > 0`,
  );
  await client.query('VACUUM ANALYZE credentials');
}
