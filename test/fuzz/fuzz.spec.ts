import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { parseOpenApi } from '../support/openapi-shape.js';
import { TestApp } from '../support/test-app.js';
import { withBody } from './support/bodies.js';
import { withCookies, withSpoiledCredentials } from './support/credentials.js';
import { type DocumentedRoute, documentedRoutes } from './support/documented-routes.js';
import { Fuzzer } from './support/fuzzer.js';
import { withHeaders } from './support/headers.js';
import type { Input } from './support/input.js';
import { withPath, withQuery } from './support/targets.js';

const MODES = ['session', 'jwt', 'session,jwt'];
/** In all modes and kinds together. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000_000);

interface Kind {
  /** What is odd about the inputs. */
  readonly kind: string;
  /** How many of twenty are of this kind. */
  readonly share: number;
  readonly inputsTo: (route: DocumentedRoute) => fc.Arbitrary<Input>;
  /** The routes that get nearly all of them. Default: all routes alike. */
  readonly aimedAt?: (route: DocumentedRoute) => boolean;
}

const KINDS: readonly Kind[] = [
  // A thousand and more for each route that reads one.
  { kind: 'bodies', share: 11, inputsTo: withBody, aimedAt: ({ bodyNames }) => bodyNames !== null },
  { kind: 'paths and methods', share: 2, inputsTo: withPath },
  { kind: 'queries', share: 1, inputsTo: withQuery, aimedAt: ({ queryNames }) => queryNames.length > 0 },
  { kind: 'headers', share: 2, inputsTo: withHeaders },
  { kind: 'cookies', share: 2, inputsTo: withCookies },
  { kind: 'tokens', share: 2, inputsTo: withSpoiledCredentials },
];

/** With FUZZ_SEED the same inputs again. */
describe.each(MODES)(`AUTH_MODE=%s (FUZZ_SEED=${SEED})`, (mode) => {
  let app: TestApp;
  let routes: DocumentedRoute[];
  let fuzzer: Fuzzer;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { LOG_LEVEL: 'info' } });
    routes = documentedRoutes(parseOpenApi((await app.client().get('/openapi.json')).body), mode);
    const { port } = app.app.getHttpServer().address() as AddressInfo;
    fuzzer = await Fuzzer.create(app, port, routes);
  }, 60_000);
  afterAll(async () => {
    fuzzer.close();
    await app.close();
  });

  test('good requests, made of the document alone, get past credentials and roles on every route', async () => {
    expect(routes.length).toBeGreaterThan(20);
    for (const { name, requests } of routes) {
      let isInside = false;
      for (const request of fc.sample(requests, { numRuns: 20, seed: SEED }))
        isInside ||= await fuzzer.getsInside(request);
      expect([name, isInside]).toEqual([name, true]);
    }
  });

  test.each(
    KINDS.map((kind) => [Math.ceil((RUNS * kind.share) / 20 / MODES.length), kind.kind, kind] as const),
  )(
    'IV61 %i inputs with odd %s: no 5xx, a documented answer, within a second',
    async (runs, _, { inputsTo, aimedAt = () => true }) => {
      const inputs = fc.oneof(
        { weight: 19, arbitrary: fc.oneof(...routes.filter(aimedAt).map(inputsTo)) },
        { weight: 1, arbitrary: fc.oneof(...routes.map(inputsTo)) },
      );
      await fuzzer.run(inputs, runs, SEED + MODES.indexOf(mode) * 1_000);
      expect((await app.client().get('/health/ready')).status).toBe(200);
    },
    60_000 + RUNS * 100,
  );
});
