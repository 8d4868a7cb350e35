import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { clientOf, must, someone, story, use } from './support/browser.mjs';
import { PLACES, World } from './support/world.mjs';

const TABS_ROUNDS = 10;

for (const place of [
  'two ports of localhost',
  'two hosts of one domain on https',
  'two domains on https with SameSite=None',
]) {
  const options = PLACES[place];
  const refreshCookie = `${options.secure ? '__Host-' : ''}rt`;

  describe(`bearer tokens, ${place}`, () => {
    let world;
    before(async () => (world = await World.open({ ...options, mode: 'jwt' })));
    after(() => world.close());

    /** As if the tokens had been handed out an hour ago: the next refresh rotates. */
    const age = () =>
      world.server.rows(
        `UPDATE credentials SET issued_at = issued_at - interval '1 hour', rotated_at = rotated_at - interval '1 hour'`,
      );

    story(
      `the access token lives in memory, the refresh cookie brings it back after a reload (${place})`,
      async (stage) => {
        const page = await stage.openClient(world.app, 'tokens');
        const answer = await must(page, 'signUp', someone());
        assert.equal(answer.strategy, 'jwt');
        assert.equal(answer.tokenType, 'Bearer');
        assert.equal('refreshToken' in answer, false);
        assert.equal((await must(page, 'me')).id, answer.user.id);

        await age();
        await page.reload();
        await clientOf(page);
        const refreshed = await must(page, 'refresh');
        assert.equal(refreshed.session.id, answer.session.id);
        assert.equal('refreshToken' in refreshed, false);
        assert.equal((await must(page, 'rename', 'Dee')).name, 'Dee');

        await page.reload();
        await clientOf(page);
        assert.equal((await must(page, 'me')).name, 'Dee'); // refreshes by itself

        await must(page, 'logOut');
        assert.deepEqual(await stage.context.cookies(), []);
        assert.equal((await use(page, 'me'))[1].code, 'credential_missing');
      },
    );

    story(`no script can read the refresh token (${place})`, async (stage) => {
      const page = await stage.openClient(world.app, 'tokens');
      await must(page, 'signUp', someone());
      const cookies = await stage.context.cookies();
      const kept = cookies.find(({ name }) => name === refreshCookie);
      assert.equal(kept.httpOnly, true);
      assert.equal(kept.sameSite, options.env ? 'None' : 'Strict');
      assert.equal(kept.secure, options.secure ?? false);
      assert.ok(kept.value.startsWith('lkr_'));
      assert.deepEqual(cookies.map(({ name }) => name).sort(), ['CSRF-TOKEN', refreshCookie]);

      const api = await stage.open(`${world.api}/auth/config`);
      for (const each of [page, api]) {
        const readable = await each.evaluate(() =>
          JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }]),
        );
        assert.doesNotMatch(readable, /lkr_|\brt=|sid=/);
      }
      // Not by asking for it either.
      const asked = await page.evaluate(async (url) => {
        const body = JSON.stringify({ email: 'a@example.com', password: 'x', refreshTransport: 'body' });
        const headers = { 'Content-Type': 'application/json' };
        const answer = await fetch(url, { method: 'POST', credentials: 'include', headers, body });
        return answer.json();
      }, `${world.api}/auth/login`);
      assert.equal(asked.code, 'validation_failed');
    });

    story(`two tabs that refresh at once stay signed in (${place})`, async (stage) => {
      const tabs = [await stage.openClient(world.app, 'tokens'), await stage.openClient(world.app, 'tokens')];
      const { session, user } = await must(tabs[0], 'signUp', someone());
      for (let round = 1; round <= TABS_ROUNDS; round++) {
        await age();
        const answers = await Promise.all(tabs.map((tab) => must(tab, 'refresh')));
        assert.deepEqual(
          answers.map((answer) => answer.session.id),
          [session.id, session.id],
        );
        const me = await Promise.all(tabs.map((tab) => must(tab, 'me')));
        assert.deepEqual(
          me.map(({ id }) => id),
          [user.id, user.id],
        );
        const [{ counter }] = await world.server.rows(
          'SELECT counter FROM credentials WHERE session_id = $1',
          [session.id],
        );
        assert.equal(Number(counter), round); // one lineage: both went on with the same successor
      }
      // And what the browser holds in the end works.
      await age();
      await tabs[1].reload();
      await clientOf(tabs[1]);
      assert.equal((await must(tabs[1], 'me')).id, user.id);
      await must(tabs[0], 'logOut');
      assert.equal((await use(tabs[1], 'me'))[1].code, 'credential_invalid');
    });
  });
}

describe('CanJS with tokens that the application holds', () => {
  let world;
  before(async () => (world = await World.open({ ...PLACES['two ports of localhost'], mode: 'jwt' })));
  after(() => world.close());

  story('CanJS: save brings the token, requests carry it, destroy ends the session', async (stage) => {
    const user = someone();
    const { session } = await must(await stage.openClient(world.app, 'tokens'), 'signUp', user);
    await stage.context.clearCookies();
    const page = await stage.openClient(world.app, 'can-session-tokens');
    const urls = [];
    stage.context.on('request', (request) => urls.push(request.url()));

    const saved = await page.evaluate(async (user) => {
      const { Session } = window.client;
      await new Session(user).save();
      return Session.current.get();
    }, user);
    assert.equal(saved.strategy, 'jwt');
    assert.notEqual(saved.sessionId, session.id);
    assert.equal('refreshToken' in saved, false);
    assert.equal((await must(page, 'rename', 'Eve')).name, 'Eve');

    // A reload loses the token; the refresh cookie brings a new one of the same session.
    await page.reload();
    await clientOf(page);
    const restored = await page.evaluate(async () => (await window.client.Session.currentPromise).get());
    assert.equal(restored.sessionId, saved.sessionId);
    assert.equal(restored.name, 'Eve');
    assert.equal((await must(page, 'rename', 'Eva')).name, 'Eva');

    const after = await page.evaluate(async () => {
      const { Session } = window.client;
      await Session.current.destroy();
      return Session.currentPromise.then(
        () => 'resolved',
        () => 'rejected',
      );
    });
    assert.equal(after, 'rejected');
    assert.equal((await use(page, 'rename', 'Eli'))[0], false);
    for (const url of urls.filter((each) => each.startsWith(world.api)))
      assert.equal(new URL(url).search, '');
  });
});
