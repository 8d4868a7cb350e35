import fc from 'fast-check';
import type { DocumentedRoute } from './documented-routes.js';
import type { Input } from './input.js';
import { nastyText, words } from './nasty.js';

/** What clients, proxies and attackers send. Nothing that lies about the length of the body: `http/bodies`. */
const HEADERS: readonly (readonly [names: string, values: readonly string[]])[] = [
  [
    'Authorization',
    [
      ...[
        'Bearer',
        'Bearer ',
        'bearer ⟨access⟩',
        'Bearer  ⟨access⟩',
        'Bearer ⟨access⟩ ',
        'Bearer ⟨refresh⟩',
        'Basic Og==',
      ],
      ...[
        'Bearer ⟨access⟩, Bearer ⟨access⟩',
        'Basic',
        'Token x',
        'DPoP ⟨access⟩',
        'Bearer\t⟨access⟩',
        'Bearer ⟨x:9000⟩',
      ],
    ],
  ],
  [
    'Origin',
    [
      ...words(
        'http://localhost:3000 HTTP://LOCALHOST:3000 null http://localhost:3000/ http://localhost:3000.evil http:// x',
      ),
      ...words(
        'http://evil.example file:// capacitor://localhost http://[::1]:3000 http://[ ⟨x:9000⟩ http://⟨x:300⟩.example',
      ),
      ...['', 'http://localhost:3000, http://localhost:3000'],
    ],
  ],
  [
    'Sec-Fetch-Site Sec-Fetch-Mode Sec-Fetch-Dest Sec-Fetch-User',
    [
      ...words('same-origin same-site cross-site none cors navigate ?1 SAME-ORIGIN'),
      '',
      'same-origin, cross-site',
    ],
  ],
  [
    'Accept Accept-Language Accept-Encoding If-None-Match If-Match Range If-Modified-Since',
    words('*/* text/html application/json;q=0 * gzip;q=0 bytes=0-1 bytes=9-1 W/"x" " x'),
  ],
  [
    `X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Method X-Forwarded-Uri X-Original-Method X-Original-URL
     X-HTTP-Method-Override Forwarded X-Real-IP Via`,
    [
      ...words(
        '1.2.3.4 ::1 fe80::1%eth0 999.1.1.1 ,,, https evil.example DELETE /admin/users for="[::1]";proto=https',
      ),
      ...['⟨1.1.1.1,:900⟩', '⟨,:5000⟩', 'a b'],
    ],
  ],
  [
    'X-Request-Id traceparent tracestate baggage',
    [
      ...words('abcdefgh 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 00-0-0-0 ff- ⟨a:65⟩ k=v'),
      'a b',
    ],
  ],
  [
    'X-CSRF-Token X-XSRF-Token X-Requested-With',
    words('⟨csrf⟩ ⟨csrf⟩⟨csrf⟩ ⟨A:86⟩ ⟨_:86⟩ XMLHttpRequest ⟨session⟩'),
  ],
  [
    `Content-Type Expect Connection Upgrade TE Trailer Host Cookie User-Agent Referer Access-Control-Request-Method
     Access-Control-Request-Headers`,
    words(
      '100-continue close upgrade websocket h2c trailers localhost evil.example x@y [::1 POST * text/plain ⟨x:3000⟩',
    ),
  ],
];

/** Requests with one to four headers too many, or with other values in them, or with hundreds. */
export function withHeaders(route: DocumentedRoute): fc.Arbitrary<Input> {
  const known = HEADERS.map(([names, values]) =>
    fc.tuple(
      fc.constantFrom(...words(names)),
      fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: nastyText }),
    ),
  );
  const noise = fc.tuple(nastyText, nastyText);
  const few = fc.array(
    fc.oneof({ weight: 5, arbitrary: fc.oneof(...known) }, { weight: 1, arbitrary: noise }),
    { minLength: 1, maxLength: 4 },
  );
  const many = fc
    .constantFrom(100, 1000, 2500)
    .map((count) => Array.from({ length: count }, (_, i): [string, string] => [`a${i % 50}`, 'b']));
  const added = fc.oneof({ weight: 40, arbitrary: few }, { weight: 1, arbitrary: many });
  return fc.tuple(route.requests, added, fc.boolean()).map(([request, headers, inTheirPlace]) => ({
    ...request,
    headers: [...(inTheirPlace ? without(request.headers, headers) : request.headers), ...headers],
  }));
}

function without(headers: Input['headers'], others: Input['headers']): Input['headers'] {
  const names = new Set(others.map(([name]) => name.toLowerCase()));
  return headers.filter(([name]) => !names.has(name.toLowerCase()));
}
