import { median, ratioOfPairs } from './statistics.mjs';
import { number, table } from './table.mjs';
import { p99Ratio } from './targets.mjs';
import { requestsPerSecond, timesYardstick } from './yardstick.mjs';

/** The median of what is picked from each run. */
export const of = (runs, pick) => median((runs ?? []).map(pick).filter((value) => value !== null));
export const perSecond = (runs) => of(runs, (run) => run.perSecond);

/** Not the server's core was the limit, but the load, the database, or something else on the machine. */
export function isUnderstated(runs) {
  return of(runs, (run) => run.serverBusy) < 0.9;
}

/** The contenders that have results. */
export const measured = (contenders, results) => contenders.filter(({ id }) => results?.[id]);

export function meTable({ me, sql }, contenders) {
  const rows = measured(contenders, me).map(({ id, label, detail }) => {
    const { one } = me[id];
    return [
      detail ? `${label} (${detail})` : label,
      number(requestsPerSecond(me, id)) + (isUnderstated(one) ? '*' : ''),
      number(requestsPerSecond(me, id, 'many')),
      number(timesYardstick(me, id), 3),
      number(
        of(one, (run) => run.latency.p50),
        2,
      ),
      number(
        of(one, (run) => run.latency.p99),
        2,
      ),
      number(of(one, (run) => run.cpuMicroseconds)),
      number(of(one, (run) => run.databaseMicroseconds)),
      number(sql?.[id]?.perRequest, 2),
      `${number(of(one, (run) => run.serverBusy) * 100)} / ${number(of(one, (run) => run.loadBusy) * 100)}`,
    ];
  });
  if (rows.length === 0) return [];
  return [
    '## `GET /me`',
    table(
      [
        '',
        'requests/s',
        'with many credentials',
        'x bare Nest',
        'p50 ms',
        'p99 ms',
        'server CPU us',
        'database CPU us',
        'SQL',
        'busy %, server / load',
      ],
      rows,
    ),
    'Each was measured beside bare Nest, slice by slice; requests/s are that ratio times what bare Nest did in the middle. CPU and SQL are per request. The first two answer `{ hello }` to anybody.',
  ];
}

export function loginTable({ login, refresh }, contenders) {
  const parts = [];
  const rows = measured(contenders, login?.contenders).map(({ id, label, login: kind }) => {
    const { runs, beside } = login.contenders[id];
    const ratio = kind === 'argon2' ? ratioOfPairs(runs, beside) : NaN;
    return [
      label,
      kind,
      number(perSecond(runs), 1),
      number(ratio, 3),
      number(of(runs, (run) => run.latency.p50)),
      number(
        of(runs, (run) => run.cpuMicroseconds / 1000),
        1,
      ),
    ];
  });
  if (rows.length > 0) {
    parts.push(
      '## Login',
      table(
        ['', 'hash', 'logins/s', 'of the ceiling', 'p50 ms', 'server CPU ms'],
        [
          [
            `argon2 alone, ${login.concurrency} at a time`,
            'argon2',
            number(perSecond(login.ceiling), 1),
            '1.000',
            '',
            '',
          ],
          ...rows,
        ],
      ),
    );
  }
  const refreshed = measured(contenders, refresh).map(({ id, label }) => [
    label,
    number(perSecond(refresh[id])),
    number(
      of(refresh[id], (run) => run.latency.p50),
      1,
    ),
    number(
      of(refresh[id], (run) => run.latency.p99),
      1,
    ),
    number(of(refresh[id], (run) => run.cpuMicroseconds)),
  ]);
  if (refreshed.length > 0) {
    parts.push(
      '## Refresh',
      table(['', 'refreshes/s', 'p50 ms', 'p99 ms', 'server CPU us'], refreshed),
      'Each is a rotation in the database. None of the others has refresh tokens in its documented setup.',
    );
  }
  return parts;
}

export function stormTable({ storm }, contenders, profile) {
  const line = (label, { calm, storm: beside, logins }) => [
    label,
    number(perSecond(calm)),
    number(
      of(calm, (run) => run.latency.p50),
      2,
    ),
    number(
      of(calm, (run) => run.latency.p99),
      2,
    ),
    number(perSecond(beside)),
    number(
      of(beside, (run) => run.latency.p50),
      2,
    ),
    number(
      of(beside, (run) => run.latency.p99),
      2,
    ),
    number(p99Ratio({ calm, storm: beside }), 2),
    number(perSecond(logins), 1),
  ];
  const there = measured(contenders, storm);
  if (there.length === 0) return [];
  const head = ['', 'calm/s', 'p50 ms', 'p99 ms', 'storm/s', 'p50 ms', 'p99 ms', 'p99 ratio', 'logins/s'];
  const saturated = there.filter(({ id }) => storm[id].saturated);
  return [
    `## \`GET /me\` beside ${profile.stormLogins} parallel logins`,
    `At ${profile.stormRate} requests a second, sent whatever the server does:`,
    table(
      head,
      there.map(({ id, label }) => line(label, storm[id].steady)),
    ),
    saturated.length > 0 && `With ${profile.connections} connections that send as soon as they are answered:`,
    saturated.length > 0 &&
      table(
        head,
        saturated.map(({ id, label }) => line(label, storm[id].saturated)),
      ),
    'Memory (resident, MiB):',
    table(
      ['', 'idle', 'before the storm', 'highest in it', 'growth'],
      there.map(({ id, label }) => {
        const { idle, before, peak } = storm[id].memory;
        return [label, number(idle), number(before), number(peak), number(peak - before)];
      }),
    ),
  ];
}
