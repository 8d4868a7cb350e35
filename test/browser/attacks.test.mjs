import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { clientOf, must, someone, story, use } from './support/browser.mjs';
import { PLACES, World } from './support/world.mjs';

/** Where the victim works, and the origins of strangers: neighbours of the same site (their requests carry cookies) and others. */
const SCENES = [
  { place: 'two ports of localhost', mode: 'session', strangers: ['stranger.test', 'localhost'] },
  { place: 'two ports of localhost', mode: 'jwt', strangers: ['localhost'] },
  {
    place: 'two hosts of one domain on https',
    mode: 'session',
    strangers: ['stranger.test', 'evil.example.test'],
  },
  // The neighbour of the app shares its partition of the cookies.
  {
    place: 'two domains on https with SameSite=None',
    mode: 'session',
    strangers: ['stranger.test', 'evil.app.test'],
  },
  { place: 'two domains on https with SameSite=None', mode: 'jwt', strangers: ['evil.app.test'] },
];
const CLIENTS = { session: 'fetch', jwt: 'tokens' };
const OTHER_PASSWORD = 'a stranger would like to know';

for (const { place, mode, strangers } of SCENES) {
  const options = PLACES[place];

  describe(`pages of origins that are not listed, AUTH_MODE=${mode}, ${place}`, () => {
    let world;
    let routes;
    const attacker = someone();
    before(async () => {
      world = await World.open({ ...options, mode });
      // The attacker has an account too: signing the victim in to it is one of the attacks.
      await signUpBeside(world, attacker);
      routes = await routesOf(world);
    });
    after(() => world.close());

    for (const host of strangers) {
      story(`a page of ${host} reads and changes nothing (${mode}, ${place})`, async (stage) => {
        const victim = someone();
        const tab = await stage.openClient(world.app, CLIENTS[mode]);
        const { user } = await must(tab, 'signUp', victim);
        const cookies = await stage.context.cookies();
        const before = await everything(world);
        const known = (await world.server.answered()).length;

        const origin = world.stranger(host);
        const gets = routes.filter(({ method }) => method === 'get').map(({ path }) => path);
        const posts = routes.filter(({ method }) => method === 'post').map(({ path }) => path);
        assert.ok(gets.length >= 5 && posts.length >= 5);

        const page = await stage.open(`${origin}/page`);
        await sendForms(page, world.api, posts, { victim, attacker });
        await sendForms(await stage.open(`${origin}/page?referrer=no-referrer`), world.api, posts, {
          victim,
          attacker,
        });
        assert.deepEqual(await readWithFetch(page, world.api, routes, victim), []);
        await sendOpaque(page, world.api, routes, attacker);
        await embed(page, world.api, gets);

        // Whatever arrived was refused, unless it asks for nothing but what anybody may read.
        const arrived = (await world.server.answered()).slice(known);
        const unsafe = arrived.filter(({ method }) => !['GET', 'HEAD', 'OPTIONS'].includes(method));
        assert.ok(unsafe.length >= posts.length * 4, `only ${unsafe.length} unsafe requests arrived`);
        assert.deepEqual(
          unsafe.filter(({ status }) => status < 400),
          [],
        );
        assert.deepEqual(
          arrived.filter(({ status }) => status >= 500),
          [],
        );

        // A neighbour's requests carry the cookies, so that it is the origin that refuses them; others' do not even do that.
        const logouts = new Set(
          unsafe.filter(({ path }) => path === '/auth/logout').map(({ status }) => status),
        );
        assert.deepEqual([...logouts].sort(), host === 'stranger.test' ? [401, 415] : [401, 403, 415]);

        assert.deepEqual(await everything(world), before);
        assert.deepEqual(secretsOf(await stage.context.cookies()), secretsOf(cookies));
        assert.equal((await must(tab, 'me')).id, user.id);
        await tab.reload();
        await clientOf(tab);
        assert.equal((await must(tab, 'me')).id, user.id);
        await must(tab, 'logIn', victim); // with the password that it always had
        assert.equal(
          (await use(tab, 'logIn', { ...victim, password: OTHER_PASSWORD }))[1].code,
          'login_failed',
        );
      });
    }
  });
}

describe('cookies that a neighbour plants', () => {
  /** The cookie value of a session of the attacker's own. */
  const attackersCookie = async (world) => {
    const answer = await signUpBeside(world, someone());
    return /sid=([^;]+)/.exec(answer.headers.get('set-cookie'))[1];
  };

  story(
    'CK04: on http, where nothing keeps a neighbour from planting one, nobody acts as the attacker',
    async (stage) => {
      const world = await World.open(PLACES['two ports of localhost']);
      try {
        const tab = await stage.openClient(world.app, 'fetch');
        await must(tab, 'signUp', someone());
        const page = await stage.open(`${world.stranger('localhost')}/page`);
        const plant = (value) =>
          page.evaluate((cookie) => void (document.cookie = cookie), `sid=${value}; path=/auth`);
        await plant(await attackersCookie(world));
        assert.equal((await use(tab, 'me'))[1].code, 'credential_conflict');
        assert.equal((await use(tab, 'rename', 'mine'))[1].code, 'credential_conflict');
        await plant('s%3Aforged.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA');
        assert.equal((await must(tab, 'rename', 'mine')).name, 'mine');
      } finally {
        await world.close();
      }
    },
  );

  story(
    'CK01: on https the browser takes no __Host- cookie of a neighbour, and no other name counts',
    async (stage) => {
      const world = await World.open(PLACES['two hosts of one domain on https']);
      try {
        const value = await attackersCookie(world);
        const page = await stage.open(`${world.stranger('evil.example.test')}/page`);
        const planted = await page.evaluate((value) => {
          for (const name of ['__Host-sid', '__Secure-sid', 'sid']) {
            document.cookie = `${name}=${value}; Domain=example.test; Path=/; Secure`;
          }
          return document.cookie;
        }, value);
        assert.equal(planted, `__Secure-sid=${value}; sid=${value}`);
        const tab = await stage.openClient(world.app, 'fetch');
        assert.equal(await must(tab, 'me'), null);
        const { user } = await must(tab, 'signUp', someone());
        assert.equal((await must(tab, 'me')).id, user.id);
      } finally {
        await world.close();
      }
    },
  );
});

/** Forms of every type that a page can send, each into a frame of its own, and one in the whole tab. */
async function sendForms(page, api, paths, { victim, attacker }) {
  const fields = {
    email: attacker.email,
    password: attacker.password,
    currentPassword: victim.password,
    newPassword: OTHER_PASSWORD,
  };
  const bodies = {
    '/auth/login': ['email', 'password'],
    '/auth/signup': ['email', 'password'],
    '/session': ['email', 'password'],
    '/auth/password': ['currentPassword', 'newPassword'],
  };
  const forms = paths.flatMap((path) => {
    const body = Object.fromEntries((bodies[path] ?? []).map((name) => [name, fields[name]]));
    // JSON in the disguise of text/plain: the `=` of the form ends up in a string.
    const disguised = { [`${JSON.stringify(body).slice(0, -1)}${bodies[path] ? ',' : ''}"x":"`]: '"}' };
    return [
      { path, type: 'application/x-www-form-urlencoded', body },
      { path, type: 'multipart/form-data', body },
      { path, type: 'text/plain', body: disguised },
    ];
  });
  await page.evaluate(
    async ([api, forms]) => {
      const sent = forms.map(async ({ path, type, body }, index) => {
        const frame = document.createElement('iframe');
        frame.name = `frame${index}`;
        const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
        document.body.append(frame);
        await loaded; // of the empty page; the next is that of the answer
        const answered = new Promise((resolve) => frame.addEventListener('load', resolve));
        const form = document.createElement('form');
        Object.assign(form, { action: `${api}${path}`, method: 'post', enctype: type, target: frame.name });
        for (const [name, value] of Object.entries(body)) {
          form.append(Object.assign(document.createElement('input'), { name, value }));
        }
        document.body.append(form);
        form.submit();
        await answered;
      });
      await Promise.all(sent);
    },
    [api, forms],
  );
  // A sandboxed page has no origin of its own.
  await page.evaluate(async (api) => {
    const frame = document.createElement('iframe');
    frame.sandbox = 'allow-forms allow-scripts';
    frame.srcdoc = `<form action="${api}/auth/logout" method="post"></form>
      <script>onload = () => setTimeout(() => document.forms[0].submit());</script>`;
    let loads = 0;
    const answered = new Promise((resolve) =>
      frame.addEventListener('load', () => ++loads === 2 && resolve()),
    );
    document.body.append(frame);
    await answered;
  }, api);
  // In the whole tab: cookies that a frame would not get may go along.
  const top = await page.context().newPage();
  for (const path of ['/auth/logout', '/session']) {
    await top.goto(page.url());
    await Promise.all([
      top.waitForURL(`${api}${path}`),
      top.evaluate(
        ([action, body]) => {
          const form = Object.assign(document.createElement('form'), { action, method: 'post' });
          for (const [name, value] of Object.entries(body)) {
            form.append(Object.assign(document.createElement('input'), { name, value }));
          }
          document.body.append(form);
          form.submit();
        },
        [`${api}${path}`, path === '/session' ? { email: attacker.email, password: attacker.password } : {}],
      ),
    ]);
  }
  await top.close();
}

/** Every route by `fetch` with credentials, as the app itself would: returns what could be read. */
async function readWithFetch(page, api, routes, victim) {
  return page.evaluate(
    async ([api, routes, victim]) => {
      const bodies = {
        '/auth/password': { currentPassword: victim.password, newPassword: 'a stranger would like to know' },
        '/auth/me': { name: 'changed' },
      };
      const answers = await Promise.all(
        routes.map(async ({ method, path }) => {
          const init = { method: method.toUpperCase(), credentials: 'include' };
          if (method !== 'get') {
            init.headers = { 'Content-Type': 'application/json' };
            init.body = JSON.stringify(bodies[path] ?? {});
          }
          const answer = await fetch(`${api}${path}`, init).catch(() => null);
          return answer && [method, path, answer.status];
        }),
      );
      return answers.filter((answer) => answer !== null);
    },
    [api, routes, victim],
  );
}

/** Requests whose answer the page does not even try to read: `no-cors`, and beacons. */
async function sendOpaque(page, api, routes, attacker) {
  await page.evaluate(
    async ([api, routes, attacker]) => {
      const form = () => new URLSearchParams(attacker);
      const calls = routes
        .filter(({ method }) => method === 'get' || method === 'post')
        .flatMap(({ method, path }) => {
          const bodies = method === 'get' ? [undefined] : [form(), JSON.stringify(attacker), undefined];
          return bodies.map((body) =>
            fetch(`${api}${path}`, { method, mode: 'no-cors', credentials: 'include', body }).catch(
              () => null,
            ),
          );
        });
      await Promise.all(calls);
      navigator.sendBeacon(`${api}/auth/logout`);
      navigator.sendBeacon(`${api}/session`, form());
      await fetch(`${api}/auth/config`, { mode: 'no-cors' }).catch(() => null);
    },
    [api, routes, attacker],
  );
}

/** Every GET route as an image, a script and a frame: none of them yields anything. */
async function embed(page, api, paths) {
  const found = await page.evaluate(
    async ([api, paths]) => {
      const outcome = (element) =>
        new Promise((resolve) => {
          element.addEventListener('load', () => resolve('loaded'));
          element.addEventListener('error', () => resolve('error'));
          document.body.append(element);
        });
      const loaded = [];
      for (const path of paths) {
        for (const tag of ['img', 'script']) {
          const element = Object.assign(document.createElement(tag), { src: `${api}${path}` });
          if ((await outcome(element)) === 'loaded') loaded.push([tag, path]);
        }
      }
      for (const path of ['/docs', '/auth/me', '/session', '/openapi.json']) {
        await outcome(Object.assign(document.createElement('iframe'), { src: `${api}${path}`, name: path }));
      }
      return loaded;
    },
    [api, paths],
  );
  assert.deepEqual(found, []);
  const frames = page.frames().filter((frame) => frame.url().startsWith(api));
  for (const frame of frames) assert.fail(`${frame.url()} was framed`);

  // A window of the API is not in reach of the page that opened it.
  const [opened] = await Promise.all([
    page.context().waitForEvent('page'),
    page.evaluate((url) => void (window.stolen = window.open(url)), `${api}/auth/config`),
  ]);
  await opened.waitForLoadState();
  await page.waitForFunction(() => window.stolen.closed, undefined, { timeout: 10_000 });
  await opened.close();
}

/** All routes that the API documents, with ids that look like real ones. */
async function routesOf(world) {
  const document = await (await fetch(`http://127.0.0.1:${world.server.port}/openapi.json`)).json();
  const [session] = await world.server.rows('SELECT id FROM sessions LIMIT 1');
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method, path: path.replaceAll(/\{[^}]+\}/g, session.id) })),
  );
}

async function signUpBeside(world, user) {
  const answer = await fetch(`http://127.0.0.1:${world.server.port}/auth/signup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(user),
  });
  assert.equal(answer.status, 201);
  return answer;
}

/** All that could have changed; a request that is answered counts as activity, which is no change. */
async function everything(world) {
  const [users, sessions, credentials] = await Promise.all([
    world.server.rows('SELECT * FROM users ORDER BY id'),
    world.server.rows(
      `SELECT to_jsonb(s) - 'last_seen_at' - 'idle_expires_at' AS s FROM sessions s ORDER BY s.id`,
    ),
    world.server.rows(
      `SELECT to_jsonb(c) - 'last_used_at' AS c FROM credentials c ORDER BY c.session_id, c.strategy`,
    ),
  ]);
  return { users, sessions, credentials };
}

/** The cookies that somebody could sign in with: the CSRF token is masked anew each time. */
function secretsOf(cookies) {
  return cookies
    .filter(({ name }) => name !== 'CSRF-TOKEN')
    .map(({ name, value, partitionKey }) => ({ name, value, partitionKey }))
    .sort((a, b) => `${a.name}${a.partitionKey}`.localeCompare(`${b.name}${b.partitionKey}`));
}
