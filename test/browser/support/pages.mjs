import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';

const CLIENTS = join(import.meta.dirname, '..', 'clients');
const require = createRequire(import.meta.url);

/** The released packages, as their own browser builds: a bundler would change nothing that matters here. */
const PACKAGES = {
  can: join(dirname(require.resolve('can/package.json')), 'everything.mjs'),
  axios: join(dirname(require.resolve('axios/package.json')), 'dist', 'esm', 'axios.js'),
};
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' };

/**
 * The web server of browser apps, for any host: `/page/<client>` is a page that has the client of `clients/<client>.js` as
 * `window.client`, `/page` an empty one, `/<name>.html` the page of that name, `/probe` sets a cookie as a tracker does. All paths
 * also exist below `/app`.
 * @param {() => string} api The origin of the API, that pages import as `API` of `./api.js`.
 */
export async function startPages(api) {
  const server = http.createServer((request, response) => {
    serve(request, response, api()).catch((error) => response.writeHead(500).end(String(error)));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function serve(request, response, api) {
  const url = new URL(request.url, 'http://pages');
  const base = url.pathname.startsWith('/app/') ? '/app' : '';
  const path = url.pathname.slice(base.length);
  const answer = (type, text, headers = {}) =>
    response
      .writeHead(200, { 'content-type': TYPES[type], 'cache-control': 'no-store', ...headers })
      .end(text);

  const [, kind, name] = path.split('/');
  if (kind === 'page') {
    const policy = url.searchParams.get('referrer');
    answer('.html', page(base, name), policy === null ? {} : { 'referrer-policy': policy });
  } else if (kind === 'npm' && Object.hasOwn(PACKAGES, name)) {
    answer('.js', await readFile(PACKAGES[name]));
  } else if (path === '/api.js') {
    answer('.js', `export const API = ${JSON.stringify(api)};\n`);
  } else if (path === '/probe') {
    answer('.html', '', { 'set-cookie': 'probe=1; SameSite=None; Secure' });
  } else if (/^\/[a-z-]+\.(js|html)$/.test(path)) {
    const text = await readFile(join(CLIENTS, path), 'utf8').catch(() => null);
    if (text === null) response.writeHead(404).end();
    else answer(extname(path), extname(path) === '.html' ? withImports(text, base) : text);
  } else {
    response.writeHead(path === '/favicon.ico' ? 204 : 404).end();
  }
}

function page(base, client) {
  const load = client
    ? `<script type="module">
  import * as client from '${base}/${client}.js';
  window.client = client;
</script>`
    : '';
  return withImports(
    `<!doctype html>
<html lang="en">
  <head>
    <title>${client ?? 'empty'}</title>
  </head>
  <body>
    ${load}
  </body>
</html>
`,
    base,
  );
}

/** What a bundler would do: `import ... from 'can'` finds the package. */
function withImports(html, base) {
  const imports = Object.fromEntries(Object.keys(PACKAGES).map((name) => [name, `${base}/npm/${name}`]));
  return html.replace('</head>', `<script type="importmap">${JSON.stringify({ imports })}</script>\n</head>`);
}
