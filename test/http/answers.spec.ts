import * as swagger from '@nestjs/swagger';
import { z } from 'zod';
import { PROBLEM_REFERENCE, addProblemSchema } from '../../src/http/problem.schema.js';
import { PROBLEMS } from '../../src/http/problem.js';
import { declareTo } from '../../src/openapi/decorators.js';
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
