import { API } from './api.js';

/** All calls go through here: cookies along, JSON in and out, a refusal as an exception that carries the problem document. */
async function call(method, path, body) {
  const response = await fetch(`${API}${path}`, {
    method,
    credentials: 'include', // without it the browser neither sends nor keeps a cookie of another origin
    ...(body && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const answer = response.status === 204 ? null : await response.json();
  if (response.ok) return answer;
  throw Object.assign(new Error(answer.detail ?? answer.title), { problem: answer });
}

export const signUp = (fields) => call('POST', '/auth/signup', fields);
export const logIn = (fields) => call('POST', '/auth/login', fields);
export const logOut = () => call('POST', '/auth/logout');
export const rename = (name) => call('PATCH', '/auth/me', { name });

/** The signed-in user, or null: what an app asks first, also after a reload. */
export async function me() {
  try {
    return await call('GET', '/auth/me');
  } catch (error) {
    if (error.problem?.status === 401) return null;
    throw error;
  }
}
