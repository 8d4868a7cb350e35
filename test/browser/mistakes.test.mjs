import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { clientOf, makeProfile, must, openProfile, someone, story, use } from './support/browser.mjs';
import { PLACES, World } from './support/world.mjs';

// What docs/browser-apps.md says of each mistake, and of the ways around it.

/** `fetch` in the page: the status and the body, or the name of the exception. */
function ask(page, url, init = {}) {
  return page.evaluate(
    async ([url, init]) => {
      try {
        const answer = await fetch(url, init);
        const text = await answer.text();
        return [answer.status, text && JSON.parse(text)];
      } catch (error) {
        return [error.name];
      }
    },
    [url, init],
  );
}

const json = (body, init = {}) => ({
  method: 'POST',
  credentials: 'include',
  body: JSON.stringify(body),
  ...init,
  headers: { 'Content-Type': 'application/json', ...init.headers },
});

describe('mistakes on one machine', () => {
  let world;
  before(async () => (world = await World.open(PLACES['two ports of localhost'])));
  after(() => world.close());

  /** What the API answered to requests of that method and path while `work` was done. */
  async function answers(method, path, work) {
    const known = (await world.server.answered()).length;
    await work();
    const all = (await world.server.answered()).slice(known);
    return all.filter((each) => each.method === method && each.path === path).map(({ status }) => status);
  }

  async function signedUp(stage) {
    const user = someone();
    await must(await stage.openClient(world.app, 'fetch'), 'signUp', user);
    await stage.context.clearCookies();
    return user;
  }

  story('login without credentials: 200, and the browser throws the cookie away', async (stage) => {
    const user = await signedUp(stage);
    const page = await stage.open(`${world.app}/page`);
    const [status] = await ask(page, `${world.api}/auth/login`, json(user, { credentials: 'same-origin' }));
    assert.equal(status, 200);
    assert.deepEqual(await stage.context.cookies(), []);
    const [, problem] = await ask(page, `${world.api}/auth/me`, { credentials: 'include' });
    assert.match(problem.detail, /No cookie arrived/);
  });

  story('an origin that is not listed: the page learns nothing, the API answers 403', async (stage) => {
    const user = await signedUp(stage);
    const page = await stage.open(`${world.stranger('localhost')}/page`);
    const logIn = async () =>
      assert.deepEqual(await ask(page, `${world.api}/auth/login`, json(user)), ['TypeError']);
    assert.deepEqual(await answers('POST', '/auth/login', logIn), []); // the preflight was not allowed
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const form = json({}, { headers, body: new URLSearchParams(user).toString() });
    const postForm = async () =>
      assert.deepEqual(await ask(page, `${world.api}/session`, form), ['TypeError']);
    assert.deepEqual(await answers('POST', '/session', postForm), [403]); // no preflight, and no password was looked at
  });

  story('a page without an origin (sandboxed, or from a file): 403', async (stage) => {
    const page = await stage.open(`${world.app}/page`);
    await ask(page, `${world.api}/auth/config`);
    const script = `fetch('${world.api}/session', { method: 'POST', mode: 'no-cors', body: new URLSearchParams('email=a') })`;
    // The page is told nothing of the answer; the API's log is.
    const load = async () => {
      await page.setContent(`<iframe sandbox="allow-scripts" srcdoc="<script>${script}</script>"></iframe>`);
      const arrived = async () => (await world.server.answered()).at(-1);
      while ((await arrived())?.path !== '/session') await delay(50);
    };
    assert.deepEqual(await answers('POST', '/session', load), [403]);
  });

  story('127.0.0.1 and localhost mixed: two sites, no cookie', async (stage) => {
    const user = await signedUp(stage);
    const page = await stage.open(`${world.app}/page`);
    const api = world.api.replace('localhost', '127.0.0.1');
    const [status] = await ask(page, `${api}/auth/login`, json(user));
    assert.equal(status, 200);
    assert.deepEqual(await stage.context.cookies(), []);
    const [, problem] = await ask(page, `${api}/auth/me`, { credentials: 'include' });
    assert.match(problem.detail, /No cookie arrived/);
  });

  story('a header that is not on the list: the preflight fails', async (stage) => {
    const page = await stage.openClient(world.app, 'fetch');
    const { user } = await must(page, 'signUp', someone());
    const headers = { 'X-Requested-With': 'XMLHttpRequest', 'X-Request-Id': 'abcdefgh' };
    const [, me] = await ask(page, `${world.api}/auth/me`, { credentials: 'include', headers });
    assert.equal(me.id, user.id);
    const more = { ...headers, 'X-Tenant': 'a' };
    assert.deepEqual(await ask(page, `${world.api}/auth/me`, { credentials: 'include', headers: more }), [
      'TypeError',
    ]);
  });

  story('a form anywhere but POST /session: 415', async (stage) => {
    const user = await signedUp(stage);
    const page = await stage.open(`${world.app}/page`);
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const form = json({}, { headers, body: new URLSearchParams(user).toString() });
    const [status, problem] = await ask(page, `${world.api}/auth/login`, form);
    assert.deepEqual([status, problem.code], [415, 'unsupported_media_type']);
    assert.equal((await ask(page, `${world.api}/session`, form))[0], 200);
  });
});

describe('CSRF_TOKEN=always, and both strategies', () => {
  let world;
  before(async () => {
    world = await World.open({
      ...PLACES['two hosts of one domain on https'],
      mode: 'session,jwt',
      env: { CSRF_TOKEN: 'always' },
    });
  });
  after(() => world.close());

  story(
    'the token comes with the login and from GET /auth/csrf; none, or one of an older login, is 403',
    async (stage) => {
      const page = await stage.openClient(world.app, 'fetch');
      const user = someone();
      const { csrfToken: first } = await must(page, 'signUp', user);
      const rename = (token) =>
        ask(
          page,
          `${world.api}/auth/me`,
          json({ name: 'Flo' }, { method: 'PATCH', headers: token ? { 'X-CSRF-Token': token } : {} }),
        );
      const [status, problem] = await rename();
      assert.deepEqual([status, problem.code], [403, 'csrf_failed']);
      assert.match(problem.detail, /X-CSRF-Token.*GET \/auth\/csrf/);
      assert.equal((await rename(first))[0], 200);
      const [, { csrfToken }] = await ask(page, `${world.api}/auth/csrf`, { credentials: 'include' });
      assert.equal((await rename(csrfToken))[0], 200);
      await must(page, 'logIn', user);
      assert.equal((await rename(first))[1].code, 'csrf_failed');
    },
  );

  story('"Bearer undefined" is a bad credential, whatever cookie comes with it', async (stage) => {
    const page = await stage.openClient(world.app, 'fetch');
    await must(page, 'signUp', someone());
    const headers = { Authorization: 'Bearer undefined' };
    const [status, problem] = await ask(page, `${world.api}/auth/me`, { credentials: 'include', headers });
    assert.deepEqual([status, problem.code], [401, 'credential_invalid']);
  });
});

describe('PUBLIC_ORIGIN on https while browsers come by http', () => {
  story('login is 200, and the browser throws the Secure cookie away', async (stage) => {
    const world = await World.open({
      ...PLACES['two hosts of one domain'],
      env: { PUBLIC_ORIGIN: 'https://api.example.test' },
    });
    try {
      const page = await stage.openClient(world.app, 'fetch');
      await must(page, 'signUp', someone());
      assert.deepEqual(await stage.context.cookies(), []);
      assert.equal(await must(page, 'me'), null);
    } finally {
      await world.close();
    }
  });
});

describe('app and API on two registrable domains, without SameSite=None', () => {
  let world;
  before(async () => (world = await World.open({ app: 'app.test', api: 'api.test', mode: 'session,jwt' })));
  after(() => world.close());

  story('session: login is 200, the browser keeps no cookie, and the next 401 says so', async (stage) => {
    const page = await stage.openClient(world.app, 'fetch');
    await must(page, 'signUp', someone());
    assert.deepEqual(await stage.context.cookies(), []);
    const [status, problem] = await ask(page, `${world.api}/auth/me`, { credentials: 'include' });
    assert.equal(status, 401);
    assert.match(problem.detail, /No cookie arrived/);
  });

  story('jwt: works until the next reload, since the refresh cookie is not kept either', async (stage) => {
    const user = someone();
    const page = await stage.openClient(world.app, 'tokens');
    await must(page, 'signUp', user);
    const { strategy } = await must(page, 'logIn', { ...user, strategy: 'jwt' });
    assert.equal(strategy, 'jwt');
    assert.equal((await must(page, 'rename', 'Gil')).name, 'Gil');
    assert.deepEqual(await stage.context.cookies(), []);
    await page.reload();
    await clientOf(page);
    assert.equal((await use(page, 'me'))[1].code, 'credential_missing');
  });
});

describe('app and API on two registrable domains, with SameSite=None; Partitioned', () => {
  let world;
  before(async () => {
    world = await World.open({
      ...PLACES['two domains on https with SameSite=None'],
      listed: ['second.test'],
    });
  });
  after(() => world.close());

  story(
    'each app has a session of its own: the cookie belongs to the site in the address bar',
    async (stage) => {
      const first = await stage.openClient(world.app, 'fetch');
      const user = someone();
      const { session } = await must(first, 'signUp', user);
      const second = await stage.openClient(world.origin('second.test'), 'fetch');
      assert.equal(await must(second, 'me'), null);
      assert.notEqual((await must(second, 'logIn', user)).session.id, session.id);
      await must(second, 'logOut');
      assert.notEqual(await must(first, 'me'), null);
    },
  );

  for (const blocksThirdPartyCookies of [true, false]) {
    const name = `it works where the browser ${blocksThirdPartyCookies ? 'blocks' : 'takes'} third-party cookies`;
    test(name, async () => {
      const folder = makeProfile({ blocksThirdPartyCookies });
      let stage;
      try {
        stage = await openProfile(folder);
        const names = async () => (await stage.context.cookies()).map((cookie) => cookie.name).sort();
        const page = await stage.openClient(world.app, 'fetch');
        // Whether they are blocked: this one is not partitioned.
        await page.evaluate(
          (url) => fetch(url, { mode: 'no-cors', credentials: 'include' }),
          `${world.origin('tracker.test')}/probe`,
        );
        assert.deepEqual(await names(), blocksThirdPartyCookies ? [] : ['probe']);
        await stage.context.clearCookies();

        const { user } = await must(page, 'signUp', { ...someone(), remember: true });
        assert.deepEqual(await names(), ['CSRF-TOKEN', '__Host-sid']);
        await page.reload();
        await clientOf(page);
        assert.equal((await must(page, 'me')).id, user.id);
        await must(page, 'logOut');
        assert.equal(await must(page, 'me'), null);
      } catch (error) {
        await stage?.keepPictures(name);
        throw error;
      } finally {
        await stage?.context.close();
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
});

describe('app and API on one origin behind a reverse proxy, CSRF_TOKEN=always', () => {
  let world;
  before(async () => {
    const host = 'www.example.test';
    world = await World.open({ secure: true, app: host, api: host, env: { CSRF_TOKEN: 'always' } });
  });
  after(() => world.close());

  story('axios with its xsrf settings: login, PATCH, logout; without them 403', async (stage) => {
    const user = someone();
    await must(await stage.openClient(`${world.app}/app`, 'fetch'), 'signUp', user);
    await stage.context.clearCookies();

    const page = await stage.openClient(`${world.app}/app`, 'axios-same-origin');
    const { user: loggedIn } = await must(page, 'logIn', user);
    assert.equal((await must(page, 'rename', 'Hal')).name, 'Hal');
    assert.equal((await must(page, 'me')).id, loggedIn.id);

    const plain = await stage.openClient(`${world.app}/app`, 'axios');
    assert.equal((await use(plain, 'rename', 'x'))[1].code, 'csrf_failed');
    assert.equal((await use(plain, 'logOut'))[1].code, 'csrf_failed');
    assert.equal((await must(page, 'me')).name, 'Hal');
    await must(page, 'logOut');
    assert.deepEqual(await stage.context.cookies(), []);
  });
});
