const SECONDS_PER_CREDENTIAL = { latchkey: 0.002, 'better-auth': 0.0015 };

/** Fills the databases that the run needs. */
export function steps(bench) {
  const families = new Set(bench.contenders.map(({ family }) => family).filter((family) => family !== null));
  return [...families].map((family) => ({
    label: `filling the database of ${family}`,
    seconds: 3 + bench.profile.credentials * (SECONDS_PER_CREDENTIAL[family] ?? 0.0001),
    run: () => bench.seed(family),
    makes: family,
  }));
}
