import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { clientOf, must, someone, story, use } from './support/browser.mjs';
import { PLACES, World } from './support/world.mjs';

for (const [place, options] of Object.entries(PLACES)) {
  const prefix = options.secure ? '__Host-' : '';
  const sameSite = options.env?.COOKIE_SAMESITE === 'none' ? 'None' : 'Lax';

  describe(`session cookies, ${place}`, () => {
    let world;
    before(async () => (world = await World.open(options)));
    after(() => world.close());

    story(`fetch: signup, reload, me, change, logout (${place})`, async (stage) => {
      const page = await stage.openClient(world.app, 'fetch');
      assert.equal(await must(page, 'me'), null);
      const user = someone();
      const { user: created, strategy } = await must(page, 'signUp', { ...user, name: 'Ann' });
      assert.equal(strategy, 'session');

      await page.reload();
      await clientOf(page);
      assert.deepEqual(await must(page, 'me'), created);
      assert.equal((await must(page, 'rename', 'Anna')).name, 'Anna');

      assert.equal(await must(page, 'logOut'), null);
      assert.equal(await must(page, 'me'), null);
      assert.deepEqual(await stage.context.cookies(), []);
      assert.equal((await must(page, 'logIn', user)).user.name, 'Anna');
      assert.equal((await must(page, 'me')).id, created.id);
    });

    story(`fetch without credentials: a 401 that says that no cookie came (${place})`, async (stage) => {
      const page = await stage.openClient(world.app, 'fetch');
      await must(page, 'signUp', someone());
      const [status, problem] = await page.evaluate(async (url) => {
        const response = await fetch(url);
        return [response.status, await response.json()];
      }, `${world.api}/auth/me`);
      assert.equal(status, 401);
      assert.equal(problem.code, 'credential_missing');
      assert.match(problem.detail, /No cookie arrived.*credentials: 'include'.*CORS_ORIGINS/);
      assert.notEqual(await must(page, 'me'), null);
    });

    story(
      `the browser keeps the cookies as they are meant, and no script sees sid (${place})`,
      async (stage) => {
        const page = await stage.openClient(world.app, 'fetch');
        await must(page, 'signUp', someone());
        const cookies = Object.fromEntries(
          (await stage.context.cookies()).map((cookie) => [cookie.name, cookie]),
        );
        assert.deepEqual(Object.keys(cookies).sort(), ['CSRF-TOKEN', `${prefix}sid`]);
        const { hostname } = new URL(world.api);
        for (const cookie of Object.values(cookies)) {
          assert.equal(cookie.domain, hostname); // a leading dot would mean subdomains too
          assert.equal(cookie.path, '/');
          assert.equal(cookie.secure, options.secure ?? false);
          assert.equal(cookie.sameSite, sameSite);
          assert.equal(cookie.expires, -1); // ends with the browser
          assert.equal(cookie.partitionKey, sameSite === 'None' ? 'https://app.test' : undefined);
        }
        assert.equal(cookies[`${prefix}sid`].httpOnly, true);
        assert.equal(cookies['CSRF-TOKEN'].httpOnly, false);

        const visible = await page.evaluate(() => document.cookie);
        assert.doesNotMatch(visible, /sid/);
        // Ports do not separate cookies; hosts do.
        assert.equal(visible.includes('CSRF-TOKEN='), new URL(world.app).hostname === hostname);
        const own = await stage.open(`${world.api}/auth/config`);
        const visibleThere = await own.evaluate(() => document.cookie);
        assert.doesNotMatch(visibleThere, /sid/);
        assert.equal(visibleThere.includes('CSRF-TOKEN='), sameSite !== 'None');
      },
    );

    story(`axios: login, PATCH, logout (${place})`, async (stage) => {
      const user = someone();
      await must(await stage.openClient(world.app, 'fetch'), 'signUp', user);
      await stage.context.clearCookies();

      const page = await stage.openClient(world.app, 'axios');
      const [ok, problem] = await use(page, 'me');
      assert.deepEqual([ok, problem.code], [false, 'credential_missing']);
      const { user: loggedIn } = await must(page, 'logIn', user);
      assert.equal((await must(page, 'rename', 'Bea')).name, 'Bea');
      assert.equal((await must(page, 'me')).id, loggedIn.id);
      await must(page, 'logOut');
      assert.equal((await use(page, 'me'))[1].code, 'credential_missing');
    });

    story(`CanJS: current, currentPromise, save, destroy (${place})`, async (stage) => {
      const user = someone();
      await must(await stage.openClient(world.app, 'fetch'), 'signUp', user);
      await stage.context.clearCookies();
      const known = (await world.server.answered()).length;
      const preflights = async () =>
        (await world.server.answered())
          .slice(known)
          .filter(({ method, path }) => method === 'OPTIONS' && path === '/session');
      const sent = [];
      stage.context.on('request', (request) => {
        if (new URL(request.url()).pathname === '/session') sent.push(request);
      });

      const page = await stage.openClient(world.app, 'can-session');
      const session = () =>
        page.evaluate(async () => {
          const { Session } = window.client;
          const before = Session.current;
          const settled = await Session.currentPromise.then(
            (value) => [value.serialize(), value === Session.current],
            (problem) => problem ?? 'rejected',
          );
          return [before?.serialize(), settled];
        });
      // Nobody is signed in: current is undefined, the promise rejects with the problem document.
      const [none, refusal] = await session();
      assert.equal(none, undefined);
      assert.equal(refusal.code, 'credential_missing');

      const save = (fields) =>
        page.evaluate(async (fields) => {
          const { Session } = window.client;
          const instance = new Session(fields);
          const saving = instance.save();
          const wasSaving = Session.saving === instance;
          try {
            await saving;
          } catch (problem) {
            return problem;
          }
          return [wasSaving, Session.current === instance, instance.serialize()];
        }, fields);
      assert.equal((await save({ ...user, password: 'not the right one' })).code, 'login_failed');
      const [wasSaving, isCurrent, saved] = await save(user);
      assert.equal(wasSaving, true);
      assert.equal(isCurrent, true);
      assert.equal(saved.email, user.email);
      assert.equal(saved.strategy, 'session');
      assert.ok(saved.sessionTimeout > Date.now() / 1000);
      assert.equal(saved.password, undefined);

      // As a form, which needs no preflight.
      const post = sent.filter((request) => request.method() === 'POST').at(-1);
      assert.equal(await post.headerValue('content-type'), 'application/x-www-form-urlencoded');
      assert.deepEqual(await preflights(), []);

      await page.reload();
      await clientOf(page);
      const [early, [restored, isSame]] = await session();
      assert.equal(early, undefined); // on its way
      assert.equal(isSame, true);
      assert.equal(restored.sessionId, saved.sessionId);
      assert.equal((await must(page, 'rename', 'Cid')).name, 'Cid');

      const after = await page.evaluate(async () => {
        const { Session } = window.client;
        await Session.current.destroy();
        const promise = await Session.currentPromise.then(
          () => 'resolved',
          () => 'rejected',
        );
        return [Session.current, promise];
      });
      assert.deepEqual(after, [undefined, 'rejected']);
      assert.equal((await preflights()).length, 1); // of the DELETE
      for (const request of sent) assert.equal(new URL(request.url()).search, '');
      assert.deepEqual(await stage.context.cookies(), []);

      await page.reload();
      await clientOf(page);
      assert.equal((await session())[1].code, 'credential_missing');
    });
  });
}
