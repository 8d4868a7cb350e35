import { readFileSync } from 'node:fs';

const NODES = 3;
const PARALLEL = 4;

/** Three nodes under load: sessions are ended at one of them, and by SQL behind the back of all; when do the others refuse? */
export function steps(bench, results) {
  const { endings, endingsBySql, endingsRate } = bench.profile;
  return bench
    .having(({ id }) => id === 'latchkey-both')
    .map((contender) => ({
      label: `endings seen by other nodes: ${contender.label}`,
      contender,
      seconds: 6 + (endings * 0.06 + endingsBySql * 0.2) / PARALLEL,
      run: async () => {
        const servers = [];
        try {
          for (let node = 0; node < NODES; node++) servers.push(await bench.server(contender));
          Object.assign(results, { rate: endingsRate, ...(await endThem(bench, contender, servers)) });
        } finally {
          for (const server of servers) await server.stop();
        }
        const { p50, p99, max } = results.byApi.milliseconds;
        return `p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${max.toFixed(1)} ms`;
      },
    }));
}

async function endThem(bench, contender, servers) {
  const { endings, endingsBySql, endingsRate } = bench.profile;
  const { files, database } = bench.data.get(contender.family);
  // From the end of the list: the load goes on with those of its beginning.
  const victims = JSON.parse(readFileSync(files.victims, 'utf8'));
  const ports = servers.map(({ port }) => port);
  const spec = { ports, parallel: PARALLEL };
  const load = { file: bench.meFile(contender), first: 100, connections: 4, rate: endingsRate };
  let over = false;
  const background = Promise.all(
    ports.map(async (port) => {
      while (!over) {
        const { failures } = await bench.load.run({ ...load, port, seconds: 1 });
        if (Object.keys(failures).length > 0)
          throw new Error(`a live session was refused: ${JSON.stringify(failures)}`);
      }
    }),
  );
  background.catch(() => undefined);
  try {
    const byApi = await bench.load.endings({ ...spec, victims: victims.splice(-endings) });
    const bySql = await bench.load.endings({
      ...spec,
      victims: victims.splice(-endingsBySql),
      databaseUrl: database.url,
    });
    return { byApi, bySql };
  } finally {
    over = true;
    await background;
  }
}
