import { channel } from 'node:diagnostics_channel';
import type { FastifyInstance, RouteOptions } from 'fastify';

/** One method of one path, as it was registered with Fastify. */
export interface RegisteredRoute {
  readonly method: string;
  /** With the names of parameters: `/auth/sessions/:id`. */
  readonly url: string;
  /** The statuses that have a response schema. */
  readonly schemas: readonly string[];
}

/** Runs `work` and lists every route of the Fastify instances that it makes, whoever registers them. */
export async function recordRoutes<T>(
  work: () => Promise<T>,
): Promise<{ result: T; routes: RegisteredRoute[] }> {
  const routes: RegisteredRoute[] = [];
  const made = channel('fastify.initialization');
  const listen = (message: unknown): void => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook('onRoute', (route) => {
      routes.push(...[route.method].flat().map((method) => registered(method, route)));
    });
  };
  made.subscribe(listen);
  try {
    return { result: await work(), routes };
  } finally {
    made.unsubscribe(listen);
  }
}

function registered(method: string, { url, schema }: RouteOptions): RegisteredRoute {
  const { response } = (schema ?? {}) as { response?: object };
  return { method, url, schemas: Object.keys(response ?? {}) };
}
