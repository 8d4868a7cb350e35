/** The middle of some numbers; NaN of none. */
export function median(numbers) {
  return percentile(
    [...numbers].sort((a, b) => a - b),
    50,
  );
}

/** Linear between neighbours. `sorted` ascending; NaN when empty. */
export function percentile(sorted, percent) {
  if (sorted.length === 0) return NaN;
  const position = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(position);
  const above = Math.ceil(position);
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below);
}

/** What latencies are told by; in the unit of the samples. */
export function summary(samples) {
  const sorted = Float64Array.from(samples).sort();
  return {
    count: sorted.length,
    p50: percentile(sorted, 50),
    p90: percentile(sorted, 90),
    p99: percentile(sorted, 99),
    max: sorted.at(-1) ?? NaN,
  };
}

/** The median of the rounds' own ratios: what drifts on the machine from round to round drifts on both sides. */
export function ratioByRound(these, those) {
  const rounds = Math.min(these.length, those.length);
  return median(Array.from({ length: rounds }, (_, round) => these[round] / those[round]));
}

/** What each run did a second. */
export const rates = (runs) => runs.map((run) => run.perSecond);

/** What the runs did a second, on average. */
export const meanRate = (runs) => rates(runs).reduce((total, rate) => total + rate, 0) / runs.length;
