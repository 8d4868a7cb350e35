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

/**
 * The median of the ratios of runs beside each other: what drifts on the machine drifts on both sides. Of the pairs only the half
 * in which the host of a virtual machine took the least time (all, when it took none): what it takes, it seldom takes from both alike.
 */
export function ratioOfPairs(these, those, pick = (run) => run.perSecond) {
  const pairs = these.slice(0, those.length).map((run, index) => {
    const other = those[index];
    return { ratio: pick(run) / pick(other), stolen: run.stolen + other.stolen };
  });
  const most = median(pairs.map(({ stolen }) => stolen));
  return median(pairs.filter(({ stolen }) => stolen <= most).map(({ ratio }) => ratio));
}

/** What each run did a second. */
export const rates = (runs) => runs.map((run) => run.perSecond);

/** What the runs did a second, on average. */
export const meanRate = (runs) => rates(runs).reduce((total, rate) => total + rate, 0) / runs.length;
