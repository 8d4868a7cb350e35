import * as swagger from '@nestjs/swagger';
import fc from 'fast-check';
import { z } from 'zod';
import { PROBLEM_REFERENCE, addProblemSchema } from '../../src/http/problem.schema.js';
import { PROBLEMS } from '../../src/http/problem.js';
import { declareTo } from '../../src/openapi/decorators.js';
import { call } from './support/expect-problem.js';
import { type HttpApp, startHttpApp } from './support/http-app.js';

let server: HttpApp;

beforeAll(async () => {
  server = await startHttpApp();
});

afterAll(async () => {
  await server.app.close();
});

it('one declaration makes the answer and its documentation', () => {
  declareTo(swagger);
  const document = addProblemSchema(
    swagger.SwaggerModule.createDocument(
      server.app,
      new swagger.DocumentBuilder().setOpenAPIVersion('3.1.1').build(),
      {
        standardSchemaConverter: (schema, { schemaType }) =>
          schema instanceof z.ZodType
            ? { schema: z.toJSONSchema(schema, { target: 'draft-2020-12', io: schemaType }) }
            : undefined,
      },
    ),
  );
  const responses = document.paths['/auth/login']?.post?.responses;
  expect(responses).toMatchObject({
    200: { content: { 'application/json': { schema: { properties: { email: { type: 'string' } } } } } },
    '4XX': { content: { 'application/problem+json': { schema: { $ref: PROBLEM_REFERENCE } } } },
    '5XX': { content: { 'application/problem+json': { schema: { $ref: PROBLEM_REFERENCE } } } },
  });
  expect(Object.keys(document.paths['/auth/logout']?.post?.responses ?? {})).toEqual(['204', '4XX', '5XX']);
  expect(document.components?.schemas?.['Problem']).toMatchObject({
    required: ['type', 'title', 'status', 'code', 'requestId'],
    properties: { code: { enum: Object.keys(PROBLEMS) } },
    additionalProperties: false,
  });
});

it('IV61 1,000 bodies of all kinds: no 5xx, and nothing hangs', async () => {
  const types = fc.constantFrom(
    'application/json',
    'application/x-www-form-urlencoded',
    'text/plain',
    'application/json;charset=x',
  );
  const bodies = fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary' }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    fc.record({ email: fc.anything(), password: fc.anything() }).map((value) => JSON.stringify(value) ?? ''),
  );
  const requests = fc.sample(fc.tuple(fc.constantFrom('/auth/login', '/session'), types, bodies), {
    numRuns: 1000,
    seed: 61,
  });
  while (requests.length > 0) {
    const batch = requests.splice(0, 20).map(async ([path, type, body]) => {
      const init = {
        method: 'POST',
        headers: { 'content-type': type },
        body,
        signal: AbortSignal.timeout(5000),
      };
      const { status } = await call(server.url + path, init);
      return status < 500 ? [] : [path, type, body, status];
    });
    expect((await Promise.all(batch)).flat()).toEqual([]);
  }
}, 60_000);
