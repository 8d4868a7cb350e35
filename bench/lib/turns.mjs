/**
 * Two that are measured in short slices in turn (A B, B A): what the machine does to one it does to the other, so that the ratio of two
 * slices beside each other holds where that of two long measurements does not, and nobody stands still for so long that its memory is
 * taken away. `count` pairs, and more as {@link Bench.rounds} has it. @returns the runs of each, pair by pair
 */
export async function takeTurns(bench, count, first, second) {
  const runs = [[], []];
  await bench.rounds(count, async (round) => {
    if (round % 2 === 0) runs[0].push(await first());
    runs[1].push(await second());
    if (round % 2 === 1) runs[0].push(await first());
    return runs.map((each) => each.at(-1));
  });
  return runs;
}

/**
 * Steps for each of the contenders, `count` times. `run(contender)` says what came out. `isEnough(contender)`: once will do, where nothing is
 * promised of it.
 */
export function inTurn(name, count, contenders, { seconds, run, isEnough = () => false }) {
  return Array.from({ length: count }, (_, index) => index + 1).flatMap((round) =>
    contenders
      .filter((contender) => round === 1 || !isEnough(contender))
      .map((contender) => ({
        label: `${name}${count > 1 ? `, ${round} of ${count}` : ''}: ${contender.label}`,
        contender,
        seconds,
        run: () => run(contender),
      })),
  );
}
