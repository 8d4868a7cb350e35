import type { TestClient } from '../support/test-client.js';

/** Readable by every script of the page, and worth nothing without the cookie beside it. */
const CSRF_COOKIE = 'CSRF-TOKEN';

const cookieNames = (client: TestClient): string[] => client.jar.names.filter((name) => name !== CSRF_COOKIE);

/** The values that would let a thief in. */
export function secretsOf(client: TestClient): string[] {
  const cookies = cookieNames(client).map((name) => client.jar.get(name));
  return [...cookies, client.accessToken, client.refreshToken].filter((value) => value !== undefined);
}

/** The one value that a client shows on each request. */
export function credentialOf(client: TestClient, ambient: boolean): string {
  const [name = ''] = cookieNames(client);
  return (ambient ? client.jar.get(name) : client.accessToken) ?? '';
}

/** Gives `client` that value, in the place where `model` has its own. */
export function withCredential(
  client: TestClient,
  model: TestClient,
  value: string,
  ambient: boolean,
): TestClient {
  const [name = ''] = cookieNames(model);
  if (ambient) client.jar.set(name, value);
  else client.accessToken = value;
  return client;
}

/** Strings that are nearly the client's credential, and some that are nothing like it. */
export function forgeries(client: TestClient, ambient: boolean): string[] {
  const real = credentialOf(client, ambient);
  const middle = Math.floor(real.length / 2);
  return [
    real.slice(0, middle) + (real[middle] === 'A' ? 'B' : 'A') + real.slice(middle + 1),
    real.slice(0, -2),
    `${real}AA`,
    real.slice(0, 8) + real.slice(8).replaceAll(/[a-z]/g, 'a'),
    real.toUpperCase(),
    `${real}.${real}`,
    real.slice(0, middle),
    'x',
    '00000000-0000-7000-8000-000000000000',
  ];
}

/** What a value would look like in a dump: itself, its parts, and the bytes that they stand for. */
export function tracesOf(secret: string): string[] {
  const text = decodeURIComponent(secret);
  const parts = [secret, text, ...text.split(/[.:]/), ...text.split(/[.:_]/)].filter(
    ({ length }) => length > 15,
  );
  return parts.flatMap((part) => [
    part,
    Buffer.from(part).toString('hex'),
    Buffer.from(part, 'base64url').toString('hex'),
  ]);
}
