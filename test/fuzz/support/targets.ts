import fc from 'fast-check';
import type { DocumentedRoute } from './documented-routes.js';
import type { Input } from './input.js';
import { nastyEncoded, nastyText, words } from './nasty.js';

const METHODS = [
  ...words(
    'GET HEAD POST PUT PATCH DELETE OPTIONS TRACE QUERY PROPFIND PURGE SEARCH M-SEARCH SOURCE CONNECT PRI get Post',
  ),
  ...['FOO', 'G ET', '', 'GET\0', '⟨A:3000⟩'],
];
/** Paths that are there and in no document, and beginnings that more can be put behind. */
const OTHER_PATHS = [
  ...words(
    '/ // /. /.. * /auth/verify /auth/verify/ /auth /auth/ /docs /docs/ /openapi.json /admin/users/ /auth/sessions/',
  ),
  ...words(
    '/.well-known/ http://localhost/auth/me http://[ https://u:p@h/auth/me //evil/auth/me /auth/me/ /AUTH/ME',
  ),
  ...words(
    '/auth//me /auth/./me /x/../auth/me /auth%2Fme /auth/me%00 /auth/me% /auth/me;a=b \\auth\\me /auth/me#x',
  ),
  '',
];

/** Requests whose method or path is another one than the document has. */
export function withPath(route: DocumentedRoute): fc.Arbitrary<Input> {
  const [method = '', template = ''] = route.name.split(' ');
  const path = template.replaceAll(/\{\w+\}/g, '⟨stranger⟩');
  const methods = fc.oneof(
    { weight: 3, arbitrary: fc.constant(method) },
    { weight: 1, arbitrary: fc.constantFrom(...METHODS) },
  );
  const otherPaths = fc.tuple(fc.constantFrom(...OTHER_PATHS), nastyEncoded, fc.boolean());
  const paths = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.nat(), nastyEncoded).map(([at, text]) => withPiece(path, at, text)) },
    { weight: 1, arbitrary: nastyEncoded.map((text) => path + text) },
    { weight: 1, arbitrary: nastyEncoded.map((text) => `${path}/${text}`) },
    { weight: 1, arbitrary: otherPaths.map(([start, text, more]) => (more ? start + text : start)) },
    { weight: 1, arbitrary: nastyText },
    { weight: 1, arbitrary: fc.constant(path) },
  );
  return fc
    .tuple(route.requests, methods, paths)
    .map(([request, otherMethod, target]) => ({ ...request, method: otherMethod, target, route: null }));
}

/** Requests with a query that the document does not allow. */
export function withQuery(route: DocumentedRoute): fc.Arbitrary<Input> {
  const others = fc.oneof(fc.constantFrom('id', 'access_token', 'email', '__proto__'), nastyEncoded);
  const own = fc.constantFrom(...route.queryNames, 'id');
  const names = fc.oneof({ weight: 9, arbitrary: own }, { weight: 1, arbitrary: others });
  const between = fc.constantFrom(...words('= = = = = = = = [] []= [a][b]= == =%'));
  const pair = fc.tuple(names, between, nastyEncoded).map((parts) => parts.join(''));
  const queries = fc.oneof(
    { weight: 6, arbitrary: fc.array(pair, { minLength: 1, maxLength: 4 }).map((pairs) => pairs.join('&')) },
    { weight: 1, arbitrary: pair.map((text) => `${text}&`.repeat(20)) },
    { weight: 1, arbitrary: nastyEncoded },
  );
  return fc.tuple(route.requests, queries, fc.boolean()).map(([request, query, isAdded]) => {
    const [path = '', right] = request.target.split('?');
    return { ...request, target: `${path}?${right && isAdded ? `${right}&` : ''}${query}` };
  });
}

/** The path with another piece in the place of one: of its parameter where it has one. */
function withPiece(path: string, at: number, text: string): string {
  const pieces = path.split('/');
  const parameter = pieces.indexOf('⟨stranger⟩');
  pieces[parameter === -1 ? 1 + (at % (pieces.length - 1)) : parameter] = text;
  return pieces.join('/');
}
