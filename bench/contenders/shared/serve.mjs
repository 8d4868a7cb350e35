/** Settings that the benchmark hands to a contender. */
export const settings = {
  databaseUrl: process.env.BENCH_DATABASE_URL,
  secret: process.env.BENCH_SECRET,
  variant: process.env.BENCH_VARIANT,
  /** 0: any free one. */
  port: Number(process.env.PORT ?? 0),
};

/** Tells the benchmark that the server listens. Ends with the benchmark, however that ends. */
export function announce(server) {
  process.on('disconnect', () => process.exit());
  process.once('SIGTERM', () => process.exit());
  process.send?.({ ready: true, port: server.address().port });
}
