// Signs up, in, about and out of a Latchkey in production, as a browser behind a proxy that ends TLS would (session) or as an
// app would (jwt). node story.mjs <url> <public origin> <session|jwt>; prints a line for each step and exits 1 when one fails.
const [base = '', origin = '', mode = ''] = process.argv.slice(2);
const email = `container-${Date.now().toString(36)}@example.com`;
const password = 'correct horse battery staple';
const cookies = new Map();
let token;
let failed = 0;

const created = await step('signup', 201, 'POST', '/auth/signup', { email, password });
check(
  'signup hands out what this mode uses',
  mode === 'jwt' ? 'accessToken' in created : cookies.has('__Host-sid'),
);
check(
  'the cookie is for https alone',
  mode === 'jwt' || /; Secure/i.test(cookies.get('__Host-sid')?.line ?? ''),
);
check('me is the new user', (await step('me', 200, 'GET', '/auth/me')).email === email);
const devices = await step('sessions', 200, 'GET', '/auth/sessions');
check('the client address is what the proxy says', devices.sessions?.[0]?.ip === '203.0.113.9');
await step('logout', 204, 'POST', '/auth/logout');
await step('me after logout', 401, 'GET', '/auth/me');
forget();
await step('login with a wrong password', 401, 'POST', '/auth/login', { email, password: `${password}!` });
await step('login', 200, 'POST', '/auth/login', { email, password });
await step('me after login', 200, 'GET', '/auth/me');
await step(
  'a page of another origin may not log out',
  mode === 'jwt' ? 204 : 403,
  'POST',
  '/auth/logout',
  undefined,
  {
    origin: 'https://evil.example',
  },
);
check('no docs in production', (await send('GET', '/docs')).status === 404);
check('ready', (await send('GET', '/health/ready')).status === 200);
process.exitCode = failed === 0 ? 0 : 1;

async function step(name, expected, method, path, body, headers) {
  const response = await send(method, path, body, headers);
  const text = await response.text();
  check(`${name}: ${response.status}`, response.status === expected, text);
  return text === '' ? {} : JSON.parse(text);
}

async function send(method, path, body, headers = {}) {
  const response = await fetch(base + path, {
    method,
    headers: {
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-proto': 'https',
      ...(mode === 'session' && { origin, 'sec-fetch-site': 'same-origin' }),
      ...(cookies.size > 0 && {
        cookie: [...cookies].map(([name, { value }]) => `${name}=${value}`).join('; '),
      }),
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  for (const line of response.headers.getSetCookie()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    cookies.set(name, { value, line });
  }
  if (/json/.test(response.headers.get('content-type') ?? '')) {
    const copy = await response.clone().json();
    token = copy.accessToken ?? token;
  }
  return response;
}

function forget() {
  cookies.clear();
  token = undefined;
}

function check(name, passed, detail = '') {
  if (!passed) failed += 1;
  console.log(`${passed ? 'ok' : 'NOT OK'} - ${mode}: ${name}${passed ? '' : ` ${detail}`}`);
}
