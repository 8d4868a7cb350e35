import { applyDecorators } from '@nestjs/common';
import { RouteSchema } from '@nestjs/platform-fastify';
import { z } from 'zod';
import { ApiResponse } from '../openapi/decorators.js';
import { PROBLEM_REFERENCE } from './problem.schema.js';

const REFUSAL = {
  description: 'refused',
  content: { 'application/problem+json': { schema: { $ref: PROBLEM_REFERENCE } } },
} as const;

/**
 * What a route answers when all goes well, by status: a schema, or null for no body. One declaration for two readers: Fastify
 * writes the body by it, so that nothing undeclared leaves the house, and OpenAPI shows it, with the refusals besides.
 *
 * Fastify strips and coerces, it does not validate: null for a string becomes `""`. Unions do not strip (500): keep answers flat.
 * @example `@Answers({ 200: UserSchema })`, `@Answers({ 204: null })`
 */
export function Answers(answers: Readonly<Record<number, z.ZodType | null>>): MethodDecorator {
  const response: Record<string, unknown> = {};
  const documentation: MethodDecorator[] = [];
  for (const [code, schema] of Object.entries(answers)) {
    if (schema !== null) response[code] = z.toJSONSchema(schema, { target: 'draft-7' });
    documentation.push(
      ApiResponse({ status: Number(code), description: 'done', ...(schema && { standardSchema: schema }) }),
    );
  }
  return applyDecorators(
    RouteSchema({ response }),
    ...documentation,
    ApiResponse({ status: '4XX', ...REFUSAL }),
    ApiResponse({ status: '5XX', ...REFUSAL }),
  );
}
