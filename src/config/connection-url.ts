import type { Parser } from './variable.js';

/** The value holds a password, so no problem line ever repeats any part of it. */
function isUsable(text: string, schemes: RegExp): boolean {
  if (!schemes.test(text)) return false;
  // `postgres://user@/db?host=/socket/folder` has no host; node-postgres takes it, the URL parser alone does not.
  const address = text.replace('@/', '@socket/');
  if (/\s/.test(text) || !URL.canParse(address)) return false;
  const { hash, username, password, pathname } = new URL(address);
  try {
    [username, password, pathname].forEach((part) => decodeURIComponent(part));
    return hash === '';
  } catch {
    return false;
  }
}

const connectionUrl =
  (schemes: RegExp, example: string): Parser<string> =>
  (text, report) => {
    if (!isUsable(text, schemes))
      report(
        `is not a usable address (not shown here: it may hold a password); allowed: ${example}, special characters in user and password percent-encoded`,
      );
    return text;
  };

export const postgresUrl = connectionUrl(
  /^postgres(ql)?:\/\//,
  'postgres://user:password@host:5432/database',
);

export const redisUrl = connectionUrl(
  /^rediss?:\/\/[^/]/,
  'redis://host:6379 or rediss://user:password@host:6379',
);

/** Query parameters that are no secret; the values of all others are masked. */
const PLAIN = new Set(['host', 'port', 'user', 'dbname', 'sslmode', 'application_name', 'connect_timeout']);

/**
 * The address without its password. A user name stays only where a password follows it or `keepUser` says that it
 * cannot be a password itself.
 */
export function maskedUrl(text: string, keepUser: boolean): string {
  const [, scheme = '', userInfo, host = '', query] =
    /^(\w+:\/\/)(?:([^/?#]*)@)?([^?#]*)(?:\?(.*))?$/.exec(text) ?? [];
  const [user = '', password] = userInfo?.split(/:(.*)/s) ?? [];
  const maskedUser =
    password !== undefined ? `${user}:***@` : userInfo === undefined ? '' : `${keepUser ? user : '***'}@`;
  const parameters = query?.split('&').map((pair) => {
    const [name = '', value] = pair.split(/=(.*)/s);
    return value === undefined ? '***' : PLAIN.has(name) ? pair : `${name}=***`;
  });
  return scheme + maskedUser + host + (parameters === undefined ? '' : `?${parameters.join('&')}`);
}
