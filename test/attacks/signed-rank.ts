/** How far |z| goes one time in a hundred when nothing differs (two-sided p = 0.01). */
export const ONE_IN_A_HUNDRED = 2.576;

/**
 * The Wilcoxon signed-rank statistic of paired differences as a standard normal z: above 0 where they tend to be above 0. Ranks, so
 * that single pairs which a busy machine held up count no more than others. For 20 pairs and more.
 */
export function signedRankZ(differences: readonly number[]): number {
  const sorted = differences
    .filter((difference) => difference !== 0)
    .sort((a, b) => Math.abs(a) - Math.abs(b));
  const n = sorted.length;
  const above = sorted.reduce((sum, difference, i) => sum + (difference > 0 ? i + 1 : 0), 0);
  return (above - (n * (n + 1)) / 4) / Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24);
}
