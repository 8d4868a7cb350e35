import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parseForm } from './form-body.js';
import { parseJson } from './json-body.js';
import { bodyKind } from './media-type.js';
import { Problem } from './problem.js';
import './fastify-types.js';

const UNSUPPORTED = new Problem('unsupported_media_type', { detail: 'send UTF-8 JSON as application/json' });
const COMPRESSED = new Problem('unsupported_media_type', {
  detail: 'send the body without Content-Encoding',
});
const NOT_UTF8 = new Problem('malformed_body', { detail: 'not UTF-8' });
const BYTE_ORDER_MARK = new Problem('malformed_body', { detail: 'starts with a byte order mark' });

/**
 * Makes this the only reader of bodies: UTF-8 JSON everywhere, forms on routes with `@AcceptsForm()`, 415 for the rest.
 * Fastify's own readers go: its plain text, its JSON (lenient, and a 400 for an empty body).
 */
export function useBodyParser(instance: FastifyInstance): void {
  instance.removeAllContentTypeParsers();
  // The named types save Fastify a look-up per request; `*` is everything else, none at all included.
  for (const type of ['application/json', 'application/x-www-form-urlencoded', '*']) {
    instance.addContentTypeParser(type, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
      let value: unknown;
      try {
        value = parseBody(request, body);
      } catch (error) {
        done(error instanceof Error ? error : new Error('body not read', { cause: error }));
        return;
      }
      done(null, value);
    });
  }
}

/** An empty body is none, whatever its type says. */
function parseBody(request: FastifyRequest, body: Buffer): unknown {
  if (body.length === 0) return undefined;
  const { headers } = request;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') throw COMPRESSED;
  switch (bodyKind(headers['content-type'])) {
    case 'json':
      return parseJson(textOf(body));
    case 'form':
      if (request.routeOptions.config.form === true) return parseForm(textOf(body));
      throw UNSUPPORTED;
    case 'other':
      throw UNSUPPORTED;
  }
}

function textOf(body: Buffer): string {
  if (!isUtf8(body)) throw NOT_UTF8;
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) throw BYTE_ORDER_MARK;
  return body.toString('utf8');
}
