import type { AppConfig } from '../config/app-config.js';

const LOCAL_HOSTS = ['localhost', '127.0.0.1', '[::1]'];

/**
 * The test for a *listed origin*: `PUBLIC_ORIGIN`, one of `CORS_ORIGINS`, and outside production this machine's own names
 * on the port of `PUBLIC_ORIGIN`. The whole origin counts, scheme and port included, in any case of letters.
 */
export function isListedOrigin(config: AppConfig): (origin: string) => boolean {
  const { publicOrigin, corsOrigins } = config.server;
  const listed = new Set([publicOrigin, ...corsOrigins]);
  if (!config.isProduction) {
    const { protocol, port } = new URL(publicOrigin);
    for (const host of LOCAL_HOSTS) listed.add(`${protocol}//${host}${port && `:${port}`}`);
  }
  return isIn(listed);
}

/** Whether an `Origin` header is one of `origins`, which are lower-cased already. */
export function isIn(origins: ReadonlySet<string>): (origin: string) => boolean {
  return (origin) => origins.has(origin) || origins.has(origin.toLowerCase());
}
