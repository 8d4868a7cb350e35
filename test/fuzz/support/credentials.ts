import fc from 'fast-check';
import type { DocumentedRoute } from './documented-routes.js';
import type { Known } from './holder.js';
import type { Input } from './input.js';
import { nastyEncoded, nastyText, words } from './nasty.js';
import { spoilings } from './spoil.js';

const CREDENTIALS: readonly Known[] = ['access', 'refresh', 'sid', 'csrf'];

/** Requests with cookies of the right names and the wrong values, many of them, twice, or such as no browser would send. */
export function withCookies(route: DocumentedRoute): fc.Arbitrary<Input> {
  const names = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.constantFrom(...words('sid rt CSRF-TOKEN __Host-sid __Host-rt SID'), ' sid', 'sid '),
    },
    { weight: 1, arbitrary: nastyText },
  );
  const values = fc.oneof(
    fc.constantFrom(
      ...words('⟨sid⟩ ⟨refresh⟩ "⟨sid⟩" s%3A⟨session⟩.x ⟨access⟩ ⟨csrf⟩ j%3A{} j:[]'),
      '⟨sid⟩ ',
    ),
    nastyText,
    nastyEncoded,
  );
  const between = fc.constantFrom('=', '=', '=', '=', '=', '', ' = ', '==');
  const pair = fc.tuple(names, between, values).map((parts) => parts.join(''));
  const lines = fc.oneof(
    {
      weight: 12,
      arbitrary: fc
        .tuple(fc.array(pair, { minLength: 1, maxLength: 4 }), fc.constantFrom('; ', ';', ' ;', ',', ';;'))
        .map(([pairs, by]) => pairs.join(by)),
    },
    { weight: 1, arbitrary: pair.map((text) => `${text.slice(0, 40)}; `.repeat(150)) },
    { weight: 1, arbitrary: fc.constantFrom('⟨sid=x; :1500⟩', '⟨;:9000⟩', '⟨=:9000⟩', '⟨ :9000⟩', 'sid') },
  );
  return fc
    .tuple(route.requests, fc.array(lines, { minLength: 1, maxLength: 2 }), fc.boolean())
    .map(([request, cookies, keep]) => ({
      ...request,
      headers: [
        ...request.headers.filter(([name]) => keep || name !== 'Cookie'),
        ...cookies.map((line) => ['Cookie', line] as const),
      ],
    }));
}

/** Requests with a real credential in which one thing is wrong. */
export function withSpoiledCredentials(route: DocumentedRoute): fc.Arbitrary<Input> {
  return fc.tuple(route.requests, fc.nat(), spoilings(nastyText)).map(([request, at, spoiling]) => {
    const text = [request.body, ...request.headers.flat()].join(' ');
    const shown = CREDENTIALS.filter((name) => text.includes(`⟨${name}⟩`));
    const name = shown[at % shown.length];
    return name === undefined ? request : { ...request, spoiled: { name, spoiling } };
  });
}
