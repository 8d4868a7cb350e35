import type { AppConfig } from './config/app-config.js';

/**
 * What a newcomer sees when the server is up: where it is, where the data live, and two lines to paste. Development only.
 * @param location where the database is, without credentials
 */
export function startBanner(config: AppConfig, port: number, location: string): string {
  const url = `http://localhost:${port}`;
  const [primary] = config.auth.mode;
  const cookies = primary === 'session';
  const email = `you${Date.now().toString(36)}@example.com`;
  const body = `'{"email":"${email}","password":"correct horse battery staple"}'`;
  const signUp = `curl -s ${cookies ? '-c cookies.txt ' : ''}-H 'Content-Type: application/json' -d ${body} ${url}/auth/signup`;
  const tryIt = cookies
    ? [signUp, `curl -s -b cookies.txt ${url}/auth/me`]
    : [
        `TOKEN=$(${signUp} | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')`,
        `curl -s -H "Authorization: Bearer $TOKEN" ${url}/auth/me`,
      ];
  return [
    '',
    `Latchkey is up   ${url}`,
    `  auth mode      ${config.auth.mode.join(',')}   (AUTH_MODE=${cookies ? 'jwt' : 'session'} npm start for ${cookies ? 'bearer tokens' : 'cookies'})`,
    `  database       ${location}`,
    `  API docs       ${config.server.docs ? `${url}/docs` : 'off (DOCS)'}`,
    '',
    '  Try:',
    ...tryIt.map((line) => `  ${line}`),
    '',
  ].join('\n');
}
