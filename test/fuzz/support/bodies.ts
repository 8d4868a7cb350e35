import fc from 'fast-check';
import type { DocumentedRoute } from './documented-routes.js';
import type { Input } from './input.js';
import { nastyEncoded, nastyJson, nastyText } from './nasty.js';
import { type Fields, jsonObject } from './schema-values.js';

const TYPES = [
  ...[
    'application/x-www-form-urlencoded',
    'text/plain',
    'multipart/form-data; boundary=x',
    'text/json',
    'application/xml',
  ],
  ...[
    'application/json; charset=utf-16',
    'application/json; charset=latin1',
    'application/json; charset=',
    'application/json;',
  ],
  ...[
    'application/json; charset="utf-8"',
    'APPLICATION/JSON',
    'application/json, text/plain',
    'application/merge-patch+json',
  ],
  ...[
    'application/*',
    '*/*',
    '',
    ' ',
    ';',
    'application',
    '/',
    'application/json\0',
    'application/json; a=⟨x:3000⟩',
    'é',
    '\x7f',
  ],
];
const ENCODINGS = ['gzip', 'br', 'deflate', 'identity', 'gzip, gzip', '', 'x'];

/** Requests to a route with a body that the document does not allow, and a few that it does. */
export function withBody(route: DocumentedRoute): fc.Arbitrary<Input> {
  const texts: fc.Arbitrary<string> = fc.oneof(
    { weight: 30, arbitrary: changed(route).map(jsonObject) },
    { weight: 6, arbitrary: route.fields.map(jsonObject) },
    { weight: 3, arbitrary: nastyJson },
    { weight: 3, arbitrary: fc.tuple(route.fields.map(jsonObject), fc.nat(400), nastyText).map(cutOrTorn) },
    { weight: 1, arbitrary: nastyText },
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    route.fields.map((fields) => Buffer.from(`\ufeff${jsonObject(fields)}`)),
    route.fields.map((fields) => Buffer.from(jsonObject(fields), 'utf16le')),
    fc
      .constantFrom('"\xed\xa0\x80"', '"\xff"', '"\xc0\x80"', '"\xf4\x90\x80\x80"', '\x1f\x8b\x08\0')
      .map((text) => Buffer.from(text, 'latin1')),
  );
  const asJson = fc.record({
    body: fc.oneof({ weight: 10, arbitrary: texts }, { weight: 1, arbitrary: bytes }),
    headers: fc.oneof(
      { weight: 20, arbitrary: fc.constant(typed('application/json')) },
      { weight: 1, arbitrary: fc.constantFrom(...TYPES).map(typed) },
      {
        weight: 1,
        arbitrary: fc
          .constantFrom(...ENCODINGS)
          .map((name) => [...typed('application/json'), ['Content-Encoding', name] as const]),
      },
      { weight: 1, arbitrary: fc.constant([]) },
    ),
  });
  const asForm = fc.record({
    body: forms(route),
    headers: fc.constant(typed('application/x-www-form-urlencoded')),
  });
  const takesForms = route.bodyTypes.includes('application/x-www-form-urlencoded');
  const bodies = fc.oneof(
    { weight: 12, arbitrary: asJson },
    { weight: takesForms ? 12 : 1, arbitrary: asForm },
  );
  return fc.tuple(route.requests, bodies).map(([request, { body, headers }]) => ({
    ...request,
    headers: [...request.headers.filter(([name]) => name !== 'Content-Type'), ...headers],
    body,
  }));
}

function typed(type: string): Input['headers'] {
  return [['Content-Type', type]];
}

/** Right bodies in which one to three things are wrong. */
function changed(route: DocumentedRoute): fc.Arbitrary<Fields> {
  const ownNames = [...(route.bodyNames ?? []), 'email', 'id'];
  const names = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...ownNames) },
    { weight: 2, arbitrary: nastyText },
  );
  const changes = fc.array(
    fc.tuple(fc.constantFrom('set', 'set', 'set', 'set', 'add', 'drop'), names, nastyJson),
    {
      minLength: 1,
      maxLength: 3,
    },
  );
  return fc.tuple(route.fields, changes).map(([fields, all]) =>
    all.reduce<Fields>((result, [how, name, json]) => {
      if (how === 'add') return [...result, [name, json]];
      const others = result.filter(([other]) => other !== name);
      return how === 'drop' ? others : [...others, [name, json]];
    }, fields),
  );
}

/** A text that ends early, or has something else in its middle. */
function cutOrTorn([text, at, insert]: [string, number, string]): string {
  const head = text.slice(0, at % (text.length + 1));
  return at % 2 === 0 ? head : head + insert + text.slice(head.length);
}

function forms(route: DocumentedRoute): fc.Arbitrary<string> {
  const names = fc.oneof(fc.constantFrom(...(route.bodyNames ?? []), 'email'), nastyEncoded);
  const values = fc.oneof(nastyEncoded, fc.constantFrom('⟨strangerEmail⟩', 'no', 'on', '1'));
  return fc
    .array(fc.tuple(names, values, fc.constantFrom('=', '=', '=', '=', '', '[]=', '[a]=', '==')), {
      maxLength: 6,
    })
    .map((pairs) => pairs.map(([name, value, between]) => name + between + value).join('&'));
}
