import { z } from 'zod';

/** JSON Schema: what is inside is checked by following its references. */
const Schema = z.record(z.string(), z.unknown());

const MediaTypes = z.record(z.string().regex(/^[\w.+-]+\/[\w.+*-]+$/), z.strictObject({ schema: Schema }));

const Response = z.strictObject({ description: z.string().min(1), content: MediaTypes.optional() });

const Parameter = z
  .strictObject({
    name: z.string().min(1),
    in: z.enum(['path', 'query', 'header', 'cookie']),
    required: z.boolean().optional(),
    description: z.string().optional(),
    schema: Schema,
  })
  .refine(
    (parameter) => parameter.in !== 'path' || parameter.required === true,
    'path parameters are required',
  );

const SecurityRequirements = z.array(z.record(z.string(), z.array(z.string())));

const Operation = z.strictObject({
  operationId: z.string().min(1),
  summary: z.string().min(1).optional(),
  description: z.string().optional(),
  tags: z.array(z.string()).optional(),
  parameters: z.array(Parameter),
  requestBody: z.strictObject({ required: z.boolean().optional(), content: MediaTypes }).optional(),
  responses: z.record(z.string().regex(/^([1-5]\d\d|[1-5]XX|default)$/), Response),
  security: SecurityRequirements.optional(),
});
export type Operation = z.infer<typeof Operation>;

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const;
const PathItem = z.partialRecord(z.enum(METHODS), Operation);

const SecurityScheme = z.union([
  z.strictObject({ type: z.literal('apiKey'), in: z.literal('cookie'), name: z.string() }),
  z.strictObject({ type: z.literal('http'), scheme: z.literal('bearer') }),
]);

/** An OpenAPI 3.1 document, as far as this project uses the specification; strict, so that a misplaced key is seen. */
const Document = z.strictObject({
  openapi: z.string().regex(/^3\.1\.\d+$/),
  info: z.looseObject({ title: z.string().min(1), version: z.string().min(1) }),
  servers: z.array(z.strictObject({ url: z.url() })),
  tags: z.array(z.unknown()),
  security: SecurityRequirements,
  paths: z.record(z.string().startsWith('/'), PathItem),
  components: z.strictObject({
    schemas: z.record(z.string().regex(/^[\w.-]+$/), Schema),
    securitySchemes: z.record(z.string().regex(/^[\w.-]+$/), SecurityScheme),
  }),
});
export type OpenApi = z.infer<typeof Document>;

/** Reads a document and checks what the shape alone does not say. Throws with the first thing that is wrong. */
export function parseOpenApi(input: unknown): OpenApi {
  const document = Document.parse(input);
  const broken = [...references(document)].filter((reference) => find(document, reference) === undefined);
  if (broken.length > 0) throw new Error(`references to nothing: ${broken.join(', ')}`);
  const ids = operations(document).map(({ operation }) => operation.operationId);
  if (new Set(ids).size !== ids.length) throw new Error('an operationId is used twice');
  for (const { path, operation } of operations(document)) {
    const named = operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
    const inTemplate = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
    if (named.sort().join() !== inTemplate.sort().join()) throw new Error(`the parameters of ${path}`);
  }
  const known = Object.keys(document.components.securitySchemes);
  const required = [
    document.security,
    ...operations(document).map(({ operation }) => operation.security ?? []),
  ];
  for (const name of required.flat().flatMap((requirement) => Object.keys(requirement)))
    if (!known.includes(name)) throw new Error(`no security scheme ${name}`);
  return document;
}

/** Every operation with its method in capitals and its path template. */
export function operations(document: OpenApi): { method: string; path: string; operation: Operation }[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation ? [{ method: method.toUpperCase(), path, operation }] : [];
    }),
  );
}

function* references(node: unknown): Generator<string> {
  if (typeof node !== 'object' || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    if (key === '$ref' && typeof value === 'string') yield value;
    else yield* references(value);
  }
}

/** What a local reference (`#/components/schemas/User`, RFC 6901) points to. */
function find(document: unknown, reference: string): unknown {
  if (!reference.startsWith('#/')) return undefined;
  let node: unknown = document;
  for (const part of reference.slice(2).split('/')) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    node = typeof node === 'object' && node !== null ? Reflect.get(node, key) : undefined;
  }
  return node;
}
