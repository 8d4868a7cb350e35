import { CONTENDERS } from '../contenders/index.mjs';
import { NOISE } from './bench.mjs';
import { restTables } from './report-rest.mjs';
import { loginTable, meTable, stormTable } from './report-tables.mjs';
import { median } from './statistics.mjs';
import { TARGETS } from './targets.mjs';
import { table } from './table.mjs';

/** The results as Markdown. Everything in it was measured in the one run. */
export function report(run) {
  const { surroundings, profile, results, failures, repeated, minutes } = run;
  return [
    '# Results of the benchmark',
    `${surroundings.date}, ${profile.quick ? 'quick run, only good for a look' : 'full run'}, ${minutes.toFixed(1)} minutes. Made by \`npm run bench\`; do not edit.`,
    failures.length > 0 && list('**Not complete:**', failures),
    repeated.length > 0 && list('Failed once and was measured a second time:', repeated),
    '## What was promised',
    targetTable(results),
    'Ratios are medians of those of two slices beside each other, of the half of them in which the host of the machine took the least time. Where modes are listed, the worst one counts.',
    ...meTable(results, CONTENDERS),
    ...loginTable(results, CONTENDERS),
    ...stormTable(results, CONTENDERS, profile),
    ...restTables(results, CONTENDERS, profile),
    ...conditions(surroundings, profile, results.me),
  ]
    .filter(Boolean)
    .join('\n\n')
    .concat('\n');
}

function targetTable(results) {
  const rows = TARGETS.map(({ name, must, aim, meets, sign, unit, got }) => {
    const found = got(results);
    const limits = [`${sign} ${unit(must)}`, `${sign} ${unit(aim)}`].map((text) =>
      text.replace('<= within', 'within'),
    );
    if (!found) return [name, ...limits, 'not measured', ''];
    const verdict = meets(found.value, aim) ? 'aim' : meets(found.value, must) ? 'must' : '**missed**';
    return [name, ...limits, found.text, verdict];
  });
  return table(['', 'must', 'aim', 'got', 'reached'], rows);
}

function list(title, problems) {
  return [title, '', ...problems.map(({ step, problem }) => `- ${step}: ${problem.split('\n', 1)[0]}`)].join(
    '\n',
  );
}

function conditions({ machine, before, node, database, cores, latchkey, contenders }, profile, me) {
  const named = (versions) =>
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ');
  return [
    '## Conditions',
    [
      `- Machine: ${machine}; ${cores}. Busy with other work before the run: ${share(before.worked)}. Node ${node}.`,
      stolenLine(me),
      `- Database: ${database}. Reached by ${/BENCH_DATABASE_URL/.test(database) ? 'its URL' : 'a Unix socket'}; pools of 10, everybody's default.`,
      `- Latchkey with ${named(latchkey)}; NODE_ENV=production, all guards, LOG_LEVEL=info as JSON to a file.`,
      `- Contenders with ${named(contenders)}.`,
      `- \`GET /me\`: ${profile.processes} times a new process of each, beside one of bare Nest on the same core, warmed up until it got no faster (${profile.warmMost} s at the most); then ${profile.rounds} times ${profile.seconds} s of load for one and the other in turn, with one credential and with many. ${profile.connections} connections, one request at a time on each. Login: the same beside argon2 alone, after ${profile.loginWarm} s of logins, ${profile.loginRounds} times ${profile.loginSeconds} s; with one process of each of whom nothing is promised. Beside parallel logins: with as many requests as Latchkey can answer after ${profile.saturatedLoginWarm} s of logins. Rows: few and many beside each other, ${profile.rowsProcesses} times. Pairs in which the host took more than ${share(NOISE)} were measured again, half as many more at the most.`,
      `- Load: a client of our own (\`bench/lib/http-connection.mjs\`). Where the server's core was less than 90 % busy, marked *, the limit was the load, the database or something else on the machine, and the server could do more than is shown.`,
      `- Server CPU is user and system time of the process by /proc. The database's is not in it.`,
      `- better-auth: rate limits off, since all load comes from one address; cookie cache of a day, so that what was made before the run holds.`,
      `- Passwords: argon2id of the same build and cost in Latchkey and both Nest contenders; better-auth has its own scrypt.`,
    ]
      .filter(Boolean)
      .join('\n'),
  ];
}

const share = (value) => (value === null ? 'unknown' : `${Math.round(value * 100)} %`);

/** What a virtual machine was not given: it makes everybody slower alike, and the tail of latencies longer. */
function stolenLine(me) {
  const stolen = Object.values(me ?? {}).flatMap(({ one }) => one.map((run) => run.stolen));
  if (stolen.length === 0 || stolen.includes(null)) return null;
  return `- While \`GET /me\` was measured, the host of the virtual machine took away ${share(median(stolen))} of the cores' time (median; most ${share(Math.max(...stolen))}). What it takes from one slice it takes from its neighbour as well.`;
}
