import { measured, of, perSecond } from './report-tables.mjs';
import { ratioOfPairs } from './statistics.mjs';
import { number, table } from './table.mjs';

export function restTables({ rows, start, timing, endings }, contenders) {
  const parts = [];
  const counted = measured(contenders, rows?.contenders);
  if (counted.length > 0) {
    parts.push(
      '## Rows in users and sessions',
      table(
        [
          '`GET /me`/s with many credentials',
          `${number(rows.few)} rows`,
          `${number(rows.many)} rows`,
          'ratio',
        ],
        counted.map(({ id, label }) => {
          const { few, many } = rows.contenders[id];
          return [label, number(perSecond(few)), number(perSecond(many)), number(ratioOfPairs(many, few), 3)];
        }),
      ),
    );
  }
  const started = measured(contenders, start);
  if (started.length > 0) {
    const bare = start['nest-fastify'] ?? [];
    const byMilliseconds = (run) => run.milliseconds;
    parts.push(
      '## Cold start to the first good answer',
      table(
        ['', 'ms', 'x bare Nest', 'memory then, MiB'],
        started.map(({ id, label }) => {
          return [
            label,
            number(of(start[id], byMilliseconds)),
            number(ratioOfPairs(start[id], bare, byMilliseconds), 2),
            number(of(start[id], (run) => run.mebibytes)),
          ];
        }),
      ),
      'Latchkey by `node dist/src/main.js` until `/health/ready` says 200, migrations looked at; the others until they listen.',
    );
  }
  if (timing?.known) {
    parts.push(
      '## Failed login',
      `${timing.pairs} pairs, one after the other: unknown email ${number(timing.unknown, 2)} ms, wrong password ${number(timing.known, 2)} ms (medians).`,
    );
  }
  if (endings?.byApi) {
    const line = (name, { endings: count, milliseconds: { p50, p99, max }, acceptedAfterOneSecond }) => [
      name,
      number(count),
      number(p50, 1),
      number(p99, 1),
      number(max, 1),
      number(acceptedAfterOneSecond),
    ];
    parts.push(
      '## Endings seen by other nodes',
      table(
        ['', 'endings', 'p50 ms', 'p99 ms', 'max ms', 'let in after 1 s'],
        [line('by logout at one of three nodes', endings.byApi), line('by SQL', endings.bySql)],
      ),
      `From the answer of the ending to the first refusal received from each of the other nodes; each node answers ${number(endings.rate)} other requests a second meanwhile, half of the sessions are cookies, half tokens.`,
    );
  }
  return parts;
}
