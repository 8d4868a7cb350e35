import fc from 'fast-check';
import { type OpenApi, type Operation, operations } from '../../support/openapi-shape.js';
import type { Input } from './input.js';
import { wellFormed } from './nasty.js';
import { type Fields, SchemaValues, jsonObject } from './schema-values.js';

type Headers = Input['headers'];

/** A route as the document has it, and requests to it that are as they should be. */
export interface DocumentedRoute {
  /** `POST /auth/login` */
  readonly name: string;
  readonly operation: Operation;
  /** The names of its query parameters. */
  readonly queryNames: readonly string[];
  /** The names that its body may have; null when it has none. */
  readonly bodyNames: readonly string[] | null;
  /** The media types that its body may have. */
  readonly bodyTypes: readonly string[];
  /** Bodies that the schema allows. */
  readonly fields: fc.Arbitrary<Fields>;
  /** Whole requests that the document allows, by somebody who is signed in or by nobody. */
  readonly requests: fc.Arbitrary<Input>;
}

/** The routes of the document, whatever they are: one that is new is here without anybody adding it. */
export function documentedRoutes(document: OpenApi, mode: string): DocumentedRoute[] {
  const values = new SchemaValues(document);
  const credentials = credentialsIn(mode);
  return operations(document).map(({ method, path, operation }) => {
    const content = operation.requestBody?.content;
    const schema = content && Object.values(content)[0]?.schema;
    const fields = schema ? values.fields(schema) : fc.constant([]);
    const name = `${method} ${path}`;
    const requests = fc
      .record({
        target: targets(path, operation, values),
        credentials: fc.oneof(
          { weight: 8, arbitrary: credentials },
          { weight: 1, arbitrary: fc.constant([]) },
        ),
        body: schema ? fields.map(jsonObject) : fc.constant(null),
      })
      .map(({ target, credentials: shown, body }): Input => {
        const type: Headers = body === null ? [] : [['Content-Type', 'application/json']];
        return { method, target, headers: [...shown, ...type], body, spoiled: null, route: name };
      });
    return {
      name,
      operation,
      queryNames: operation.parameters.filter((one) => one.in === 'query').map((one) => one.name),
      bodyNames: schema ? values.namesOf(schema) : null,
      bodyTypes: Object.keys(content ?? {}),
      fields,
      requests,
    };
  });
}

/** What somebody who is signed in sends along, in the ways that the mode has. */
function credentialsIn(mode: string): fc.Arbitrary<Headers> {
  const cookie = (value: string): Headers => [
    ['Cookie', value],
    ['X-CSRF-Token', '⟨csrf⟩'],
  ];
  const bearer: Headers = [['Authorization', 'Bearer ⟨access⟩']];
  const bySession = [cookie('sid=⟨sid⟩; CSRF-TOKEN=⟨csrf⟩'), cookie('sid=⟨sid⟩')];
  const byTokens = [
    bearer,
    [...bearer, ...cookie('rt=⟨refresh⟩; CSRF-TOKEN=⟨csrf⟩')],
    cookie('rt=⟨refresh⟩'),
  ];
  const both: Headers[] = [[...bearer, ...cookie('sid=⟨sid⟩')], cookie('sid=⟨sid⟩; rt=⟨refresh⟩')];
  const enabled = mode.split(',');
  return fc.constantFrom(
    ...(enabled.includes('session') ? bySession : []),
    ...(enabled.includes('jwt') ? byTokens : []),
    ...(enabled.length > 1 ? both : []),
  );
}

function targets(path: string, { parameters }: Operation, values: SchemaValues): fc.Arbitrary<string> {
  const texts = parameters.map(({ in: place, name, schema, required }) => {
    const text = values.text(schema, name).map((value) => ({ place, name, value: encoded(value) }));
    return required === true ? text : fc.option(text, { nil: null, freq: 2 });
  });
  return fc.tuple(...texts).map((chosen) => {
    const present = chosen.filter((one) => one !== null);
    const query = present
      .filter(({ place }) => place === 'query')
      .map(({ name, value }) => `${name}=${value}`);
    const filled = present.reduce((target, { name, value }) => target.replaceAll(`{${name}}`, value), path);
    return query.length === 0 ? filled : `${filled}?${query.join('&')}`;
  });
}

/** Percent-encoded, but for the names that are filled in later: their values need no encoding. */
function encoded(text: string): string {
  return text
    .split(/(⟨\w+⟩)/)
    .map((part) => (part.startsWith('⟨') ? part : encodeURIComponent(wellFormed(part))))
    .join('');
}
