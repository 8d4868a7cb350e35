import { API } from './api.js';

/** In memory alone: a reload loses it, and the refresh cookie, which no script can read, brings a new one. */
let accessToken = null;
let refreshing = null;

async function send(method, path, body) {
  const response = await fetch(`${API}${path}`, {
    method,
    credentials: 'include', // for the refresh cookie
    headers: {
      ...(accessToken && { Authorization: `Bearer ${accessToken}` }),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const answer = response.status === 204 ? null : await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.detail ?? answer.title), { problem: answer });
  if (answer?.accessToken) accessToken = answer.accessToken;
  return answer;
}

/** A new access token; calls at the same time share one request. */
export function refresh() {
  refreshing ??= send('POST', '/auth/refresh').finally(() => (refreshing = null));
  return refreshing;
}

/** Any other call: an access token that is not there yet, or has run out, is fetched, and the call made once more. */
async function call(method, path, body) {
  try {
    return await send(method, path, body);
  } catch (error) {
    if (!['credential_missing', 'credential_expired'].includes(error.problem?.code)) throw error;
    accessToken = null;
    await refresh();
    return send(method, path, body);
  }
}

export const signUp = (fields) => send('POST', '/auth/signup', fields);
export const logIn = (fields) => send('POST', '/auth/login', fields);
export const me = () => call('GET', '/auth/me');
export const rename = (name) => call('PATCH', '/auth/me', { name });

export async function logOut() {
  await send('POST', '/auth/logout');
  accessToken = null;
}
