import 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route also takes `application/x-www-form-urlencoded`; see `AcceptsForm` in http-adapter.ts. */
    form?: boolean;
    /** No body of a request to this route is read, whatever its headers say; see `IgnoresBody` in http-adapter.ts. */
    ignoresBody?: boolean;
  }
  interface FastifyInstance {
    /** Whether a proxy at that address, `hop` steps away, is one of `TRUST_PROXY`. Null when no proxy is trusted. */
    proxyTrust: ((address: string, hop: number) => boolean) | null;
  }
}
