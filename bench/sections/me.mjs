import { readFile } from 'node:fs/promises';

/** GET /me with one client's credential, and with thousands in turn; each contender in a new process in each round. */
export function steps(bench, results) {
  const { rounds, warm, seconds, credentials } = bench.profile;
  const perContender = 1 + 3.5 * warm + seconds;
  return Array.from({ length: rounds }, (_, round) => round + 1).flatMap((round) =>
    bench.contenders.map((contender) => ({
      label: `GET /me, round ${round} of ${rounds}: ${contender.label}`,
      contender,
      seconds: contender.greeting ? perContender : perContender + seconds + credentials / 3000,
      run: async () => {
        const runs = (results[contender.id] ??= { one: [], many: [] });
        const { one, many } = await bench.withServer(contender, {}, (server) =>
          measureOne(bench, contender, server),
        );
        runs.one.push(one);
        if (many) runs.many.push(many);
        return `${Math.round(one.perSecond).toLocaleString('en')} a second${
          many ? `, ${Math.round(many.perSecond).toLocaleString('en')} with many credentials` : ''
        }`;
      },
    })),
  );
}

async function measureOne(bench, contender, server) {
  const { seconds, connections } = bench.profile;
  const file = bench.meFile(contender);
  const first = contender.greeting ? 1 : contender.one;
  if (!contender.greeting) await checkThatItIsReal(server, file);
  await bench.warmUp(server, { file, first, connections });
  const one = await bench.measureCalmly(server, { file, first, connections, seconds });
  if (contender.greeting) return { one };
  const many = await measureMany(bench, server, file);
  return { one, many };
}

/** Every credential once first, so that whoever remembers them does; then in turn. */
export async function measureMany(bench, server, file) {
  const { seconds, connections, credentials } = bench.profile;
  const limit = { file, connections, seconds: 20 };
  await bench.measure(server, { ...limit, count: credentials });
  return bench.measureCalmly(server, { file, connections, seconds });
}

/** The user's own view with the credential, and none without. */
async function checkThatItIsReal(server, file) {
  const [{ path, headers }] = JSON.parse(await readFile(file, 'utf8'));
  const url = `http://127.0.0.1:${server.port}${path}`;
  const [known, unknown] = await Promise.all([fetch(url, { headers }), fetch(url)]);
  const { email } = await known.json();
  if (known.status !== 200 || !email?.endsWith('@bench.example')) {
    throw new Error(`${server.name} answered GET ${path} with ${known.status} and no user`);
  }
  // Nest's AuthenticatedGuard of the tutorials says 401 here, and 403 where it returns false.
  if (unknown.status !== 401) {
    throw new Error(`${server.name} answered GET ${path} without a credential with ${unknown.status}`);
  }
}
