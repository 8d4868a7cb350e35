import { METHODS } from 'node:http';
import type { RouteOptions } from 'fastify';
import FindMyWay, { type HTTPMethod, type HTTPVersion, type Instance } from 'find-my-way';

/** How paths are matched, here and by Fastify alike: letter by letter. */
export const ROUTER_OPTIONS = {
  caseSensitive: true,
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  useSemicolonDelimiter: false,
  /** Above any URL that passes, so that the URL limit is what answers, with headers and all; beyond this Fastify answers before any hook. */
  maxParamLength: 16_384,
} as const;

/**
 * Which methods a path has. Fastify knows a path only together with a method, so a wrong method is a 404 to it; this finds the
 * difference with the same router, fed with the same routes.
 */
export class KnownPaths {
  private readonly router: Instance<HTTPVersion.V1> = FindMyWay(ROUTER_OPTIONS);
  private readonly methods = new Set<HTTPMethod>();

  /** To be added as `onRoute` hook before the first route. */
  add(route: RouteOptions): void {
    for (const method of [route.method].flat()) {
      if (!isHttpMethod(method) || this.router.hasRoute(method, route.url)) continue;
      this.router.on(method, route.url, () => undefined);
      this.methods.add(method);
    }
  }

  /** The value of `Allow` for a request target: the methods of its path, and OPTIONS. Null when the path is not known. */
  allow(url: string): string | null {
    const methods = [...this.methods].filter((method) => this.isKnown(method, url));
    if (methods.length === 0) return null;
    return [...new Set([...methods, 'OPTIONS'])].join(', ');
  }

  private isKnown(method: HTTPMethod, url: string): boolean {
    const found = this.router.find(method, url);
    if (found === null) return false;
    // Nest answers 404 where a parameter is empty (`/auth/sessions/`): no such path.
    return Object.entries(found.params).every(([name, value]) => value !== '' || name === '*');
  }
}

function isHttpMethod(method: string): method is HTTPMethod {
  return METHODS.includes(method);
}
