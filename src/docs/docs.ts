import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import * as swagger from '@nestjs/swagger';
import { z } from 'zod';
import { EnabledStrategies } from '../auth/enabled-strategies.js';
import type { AppConfig } from '../config/app-config.js';
import { usePagePolicy } from '../http/page-policy.js';
import { addProblemSchema } from '../http/problem.schema.js';
import { DOCS_POLICY } from '../http/security-headers.js';
import { declareTo } from '../openapi/decorators.js';
import { onlyWhatModeHas } from './only-what-mode-has.js';

/** The OpenAPI 3.1 document of an application: made of the schemas that judge and write its bodies, cut to its mode. */
export function openApiDocument(app: NestFastifyApplication, config: AppConfig): swagger.OpenAPIObject {
  declareTo(swagger);
  const strategies = app.get(EnabledStrategies);
  const builder = new swagger.DocumentBuilder()
    .setOpenAPIVersion('3.1.1')
    .setTitle('Latchkey')
    .setDescription('The sign-in API. Every refusal is a problem document (RFC 9457): branch on its `code`.')
    .setVersion('1')
    .addServer(config.server.publicOrigin);
  for (const { name, ambient } of strategies.all) {
    if (ambient) builder.addCookieAuth(config.server.isHttps ? '__Host-sid' : 'sid', undefined, name);
    else builder.addSecurity(name, { type: 'http', scheme: 'bearer' });
    // Any of them will do; routes that need none say so themselves (@Public).
    builder.addSecurityRequirements(name);
  }
  const document = swagger.SwaggerModule.createDocument(app, builder.build(), {
    standardSchemaConverter: (schema, { schemaType }) => {
      if (!(schema instanceof z.ZodType)) throw new TypeError('only zod schemas are used in this project');
      const {
        $defs,
        $schema: _dialect,
        ...rest
      } = z.toJSONSchema(schema, { target: 'draft-2020-12', io: schemaType });
      return { schema: rest, components: $defs };
    },
  });
  const kinds = strategies.all.some(({ ambient }) => !ambient) ? ['bearer'] : [];
  return addProblemSchema(onlyWhatModeHas(document, [...strategies.names, ...kinds]));
}

/** Serves Swagger UI at `/docs` and the document at `/openapi.json`. Before `app.init()`. */
export function setUpDocs(app: NestFastifyApplication, config: AppConfig): void {
  usePagePolicy(app, '/docs', DOCS_POLICY);
  swagger.SwaggerModule.setup('docs', app, () => openApiDocument(app, config), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'Latchkey API',
  });
}
