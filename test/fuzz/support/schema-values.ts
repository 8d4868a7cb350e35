import fc from 'fast-check';
import type { OpenApi } from '../../support/openapi-shape.js';
import { nastyText } from './nasty.js';

type Schema = Readonly<Record<string, unknown>>;

/** Texts for fields that a schema alone cannot fill well, by name or format. `⟨…⟩` is filled in when it is sent. */
const BY_NAME: Readonly<Record<string, fc.Arbitrary<string>>> = {
  currentPassword: fc.oneof(
    { weight: 1, arbitrary: fc.constant('⟨password⟩') },
    { weight: 12, arbitrary: fc.constant('not this one, surely') },
  ),
  refreshToken: fc.constant('⟨refresh⟩'),
  strategy: fc.constantFrom('session', 'jwt'),
  id: fc.constantFrom('⟨session⟩', '⟨stranger⟩', '⟨stranger⟩', '⟨user⟩'),
};
const BY_FORMAT: Readonly<Record<string, fc.Arbitrary<string>>> = {
  // A hash of this stranger's is cheap; one for nobody's address is not.
  email: fc.oneof(
    { weight: 60, arbitrary: fc.constant('⟨strangerEmail⟩') },
    { weight: 2, arbitrary: fc.constant('⟨email⟩') },
    { weight: 1, arbitrary: fc.emailAddress() },
  ),
  // Too short for a new one, so that few are hashed.
  password: fc.oneof(
    { weight: 30, arbitrary: fc.string({ minLength: 1, maxLength: 14 }) },
    { weight: 1, arbitrary: fc.constant('⟨password⟩') },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 15, maxLength: 40 }) },
  ),
  uuid: fc.constantFrom('⟨session⟩', '⟨user⟩', '⟨stranger⟩', '01890000-0000-7000-8000-000000000000'),
};

/** The fields of an object as JSON texts by name: in order, and some day twice. */
export type Fields = readonly (readonly [name: string, json: string])[];

export function jsonObject(fields: Fields): string {
  return `{${fields.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;
}

/** The values of a document's schemas. */
export class SchemaValues {
  constructor(private readonly document: OpenApi) {}

  /** The names of the properties that an object of this schema may have. */
  namesOf(schema: Schema): string[] {
    return Object.keys(record(this.resolve(schema)['properties']));
  }

  /** Fields that the schema allows, the required ones always among them. */
  fields(schema: Schema): fc.Arbitrary<Fields> {
    const { properties, required } = this.resolve(schema);
    const isRequired = (name: string): boolean => Array.isArray(required) && required.includes(name);
    const each = Object.entries(record(properties)).map(([name, property]) => {
      const value = this.json(record(property), name).map((json) => [[name, json] as const]);
      return isRequired(name) ? value : fc.oneof(value, fc.constant([]));
    });
    return fc.tuple(...each).map((fields) => fields.flat());
  }

  /** A text for a parameter. */
  text(schema: Schema, name: string): fc.Arbitrary<string> {
    return this.json(schema, name).map((json) => {
      const value: unknown = JSON.parse(json);
      return typeof value === 'string' ? value : json;
    });
  }

  private json(given: Schema, name: string): fc.Arbitrary<string> {
    const schema = this.resolve(given);
    const alternatives = schema['anyOf'] ?? schema['oneOf'];
    if (Array.isArray(alternatives))
      return fc.oneof(...alternatives.map((one: unknown) => this.json(record(one), name)));
    if ('const' in schema) return fc.constant(JSON.stringify(schema['const']));
    if (Array.isArray(schema['enum']))
      return fc.constantFrom(...schema['enum'].map((one) => JSON.stringify(one)));
    switch (schema['type']) {
      case 'object':
        return this.fields(schema).map(jsonObject);
      case 'array':
        return fc
          .array(this.json(record(schema['items']), name), {
            maxLength: Math.min(8, bound(schema, 'maxItems', 8)),
          })
          .map((items) => `[${items.join(',')}]`);
      case 'string':
        return stringsOf(schema, name).map((text) => JSON.stringify(text));
      case 'integer':
      case 'number':
        return fc
          .integer({ min: bound(schema, 'minimum', -1000), max: bound(schema, 'maximum', 1000) })
          .map(String);
      case 'boolean':
        return fc.boolean().map(String);
      case 'null':
        return fc.constant('null');
      default:
        return fc.json({ maxDepth: 2 });
    }
  }

  private resolve(schema: Schema): Schema {
    const reference = schema['$ref'];
    if (typeof reference !== 'string') return schema;
    return record(this.document.components.schemas[reference.split('/').at(-1) ?? '']);
  }
}

function stringsOf(schema: Schema, name: string): fc.Arbitrary<string> {
  const { format, pattern } = schema;
  const known = BY_NAME[name] ?? (typeof format === 'string' ? BY_FORMAT[format] : undefined);
  if (known) return known;
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern, 'u'));
  const minLength = bound(schema, 'minLength', 0);
  const maxLength = bound(schema, 'maxLength', 40);
  return fc.oneof(
    fc.string({ minLength, maxLength: Math.min(maxLength, 40) }),
    nastyText.filter((text) => text.length >= minLength && text.length <= maxLength),
  );
}

function bound(schema: Schema, key: string, otherwise: number): number {
  const value = schema[key];
  return typeof value === 'number' && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : otherwise;
}

function record(value: unknown): Schema {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
