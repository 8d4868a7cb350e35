import 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route also takes `application/x-www-form-urlencoded`; see `AcceptsForm` in http-adapter.ts. */
    form?: boolean;
  }
  interface FastifyInstance {
    /** Whether a proxy at that address, `hop` steps away, is one of `TRUST_PROXY`. Null when no proxy is trusted. */
    proxyTrust: ((address: string, hop: number) => boolean) | null;
  }
}
