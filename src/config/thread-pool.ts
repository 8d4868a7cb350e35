/**
 * Threads that libuv gives to file access, DNS lookups, crypto and native hashing together: `UV_THREADPOOL_SIZE`, which is
 * Node's own variable and not one of ours. Read as libuv reads it: 4 when unset, 1 to 1024, 1 for what is not a number.
 */
export function threadPoolSize(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): number {
  const value = environment['UV_THREADPOOL_SIZE'];
  if (value === undefined) return 4;
  const size = Number.parseInt(value, 10);
  return size >= 1 ? Math.min(size, 1024) : 1;
}
