import { median } from '../../bench/lib/statistics.mjs';

/** Share of the measuring at the start and at the end that is compared. */
const WINDOW = 0.25;
const MAX_DRIFT = 0.05;

/** The change of the median from the first samples to the last, as a share. */
export function drift(samples, field) {
  const size = Math.max(3, Math.round(samples.length * WINDOW));
  const of = (some) => median(some.map((sample) => sample[field]));
  return of(samples.slice(-size)) / of(samples.slice(0, size)) - 1;
}

/** Everything that is asserted: `[what, what is wrong or null]`. */
export function verdicts({ samples, tally, before, after, exit, errors }) {
  const complaints = Object.entries(tally.unexpected).map(([what, count]) => `${what} (${count} times)`);
  const about = (pattern) => complaints.filter((line) => pattern.test(line));
  const list = (lines) => (lines.length === 0 ? null : lines.slice(0, 10).join('; '));
  const is5xx = /: 5\d\d |: 5\d\d$/;
  const is401 = /: 401 /;
  const grown = (field) => {
    const share = drift(samples, field);
    return Math.abs(share) < MAX_DRIFT ? null : `${percent(share)} from the start to the end`;
  };
  const leaked = Object.keys(before).map((what) => [
    `FT28 no leak of ${what}`,
    after[what] === null || after[what] <= before[what]
      ? null
      : `${before[what]} before, ${after[what]} after`,
  ]);
  return [
    ['FT28 no 5xx, 503 included', list(about(is5xx))],
    ['FT28 no 401 for a good credential', list(about(is401))],
    [
      'FT28 every other answer is as expected',
      list(complaints.filter((line) => !is5xx.test(line) && !is401.test(line))),
    ],
    ['FT28 live memory drifts by less than 5 %', grown('live')],
    ['FT28 resident memory drifts by less than 5 %', grown('rss')],
    ...leaked,
    ['FT28 no error in the log', list(errors.map((line) => line.slice(0, 300)))],
    ['FT28 it ends with 0 when it is told to', exit === 0 ? null : `it ended with ${exit}`],
  ];
}

/** A share for people. */
export function percent(share) {
  return `${share >= 0 ? '+' : ''}${(share * 100).toFixed(1)} %`;
}
