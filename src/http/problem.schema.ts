import type { OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';
import { PROBLEMS, type ProblemCode } from './problem.js';

type SharedSchema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

const CODES = Object.keys(PROBLEMS).filter(isCode);

/** Every refusal's body, for OpenAPI and for tests that parse answers strictly. */
export const ProblemSchema = z
  .strictObject({
    type: z.string().startsWith('urn:latchkey:problem:'),
    title: z.string(),
    status: z.int().min(400).max(599),
    code: z.enum(CODES),
    detail: z.string().optional(),
    errors: z
      .array(z.strictObject({ path: z.string(), message: z.string() }))
      .min(1)
      .max(20)
      .optional(),
    requestId: z.string(),
  })
  // No `id`: zod would give it as a reference into definitions of its own.
  .meta({ description: 'Why a request was refused (RFC 9457). Branch on `code`, never on texts.' });

/** Where {@link Answers} points to for every refusal. */
export const PROBLEM_REFERENCE = '#/components/schemas/Problem';

/** Adds the shared `Problem` schema that the answers of all routes refer to. To be called on the finished document. */
export function addProblemSchema(document: OpenAPIObject): OpenAPIObject {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(ProblemSchema, { target: 'draft-2020-12' });
  const { components } = document;
  return {
    ...document,
    components: { ...components, schemas: { ...components?.schemas, Problem: schema as SharedSchema } },
  };
}

function isCode(name: string): name is ProblemCode {
  return name in PROBLEMS;
}
