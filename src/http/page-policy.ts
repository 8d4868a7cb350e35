import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/**
 * Gives the pages at a path, and below it, a Content-Security-Policy of their own, such as `DOCS_POLICY`. Must be called before their
 * routes are registered. Other routes pay nothing for it, and refusals below the path keep the strict policy.
 * @param path Such as `/docs`.
 */
export function usePagePolicy(app: NestFastifyApplication, path: string, policy: string): void {
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRoute', (route) => {
      if (route.url !== path && !route.url.startsWith(`${path}/`)) return;
      route.onRequest = [
        ...[route.onRequest ?? []].flat(),
        (_request, reply, done) => {
          reply.header('content-security-policy', policy);
          done();
        },
      ];
    });
}
