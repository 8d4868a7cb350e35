import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { must, openProfile, someone, story, use } from './support/browser.mjs';
import { PLACES, World } from './support/world.mjs';

const CLIENTS = { session: 'fetch', jwt: 'tokens' };

for (const [mode, client] of Object.entries(CLIENTS)) {
  describe(`restarts, AUTH_MODE=${mode}`, () => {
    let world;
    before(async () => (world = await World.open({ ...PLACES['two ports of localhost'], mode })));
    after(() => world.close());

    story(`the session survives a restart of the server (${mode})`, async (stage) => {
      const page = await stage.openClient(world.app, client);
      const { user, session } = await must(page, 'signUp', someone());
      await world.server.restart();
      assert.equal((await must(page, 'me')).id, user.id);
      const tab = await stage.openClient(world.app, client);
      assert.equal((await must(tab, 'me')).id, user.id);
      await must(tab, 'logOut');
      assert.equal((await use(page, 'rename', 'x'))[1].status, 401);
      const [{ ended }] = await world.server.rows(
        'SELECT ended_at IS NOT NULL AS ended FROM sessions WHERE id = $1',
        [session.id],
      );
      assert.equal(ended, true);
    });

    for (const remember of [true, false]) {
      const name = `${remember ? 'with remember the session survives' : 'without remember the session ends with'} the browser (${mode})`;
      test(name, async () => {
        const folder = mkdtempSync(join(tmpdir(), 'lk-profile-'));
        let stage;
        try {
          stage = await openProfile(folder);
          const { user } = await must(await stage.openClient(world.app, client), 'signUp', {
            ...someone(),
            remember,
          });
          const expiries = (await stage.context.cookies()).map(({ expires }) => expires);
          assert.equal(expiries.length, 2);
          const monthAway = Date.now() / 1000 + 30 * 86_400;
          for (const expires of expiries) {
            if (remember) assert.ok(Math.abs(expires - monthAway) < 120, `${expires} is not ${monthAway}`);
            else assert.equal(expires, -1);
          }
          await stage.context.close();

          stage = await openProfile(folder);
          const [ok, answer] = await use(await stage.openClient(world.app, client), 'me');
          assert.equal(answer?.id, remember ? user.id : undefined);
          if (!remember && mode === 'jwt') assert.deepEqual([ok, answer.code], [false, 'credential_missing']);
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
}
