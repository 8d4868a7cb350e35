import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { must, someone, story } from './support/browser.mjs';
import { PLACES, World } from './support/world.mjs';

for (const mode of ['session', 'session,jwt']) {
  describe(`Swagger UI, AUTH_MODE=${mode}`, () => {
    let world;
    before(async () => (world = await World.open({ ...PLACES['two hosts of one domain on https'], mode })));
    after(() => world.close());

    story(
      `/docs shows every route under its policy, without an error in the console (${mode})`,
      async (stage) => {
        const page = await stage.open(`${world.api}/docs`);
        const routes = page.locator('.opblock');
        await routes.first().waitFor();
        const document = await page.evaluate(async () => (await fetch('/openapi.json')).json());
        const documented = Object.values(document.paths).flatMap((methods) => Object.keys(methods));
        assert.ok(documented.length > 10);
        assert.equal(await routes.count(), documented.length);
        assert.equal(await page.title(), 'Latchkey API');

        // Each of them opens: whatever the policy forbids would show in the console.
        for (const route of await routes.all()) {
          const summary = route.locator('.opblock-summary-control');
          await summary.click();
          await route.locator('.opblock-body').waitFor();
          await summary.click(); // a page with all of them open takes seconds to draw
        }
        assert.deepEqual(stage.errors, []);
      },
      240_000, // 18 s on an idle machine
    );

    story(`/docs makes calls: signup, then me with the cookie (${mode})`, async (stage) => {
      const page = await stage.open(`${world.api}/docs`);
      const user = someone();
      const execute = async (title, body) => {
        const route = page.locator('.opblock', { hasText: title });
        await route.locator('.opblock-summary-control').click();
        await route.getByRole('button', { name: 'Try it out' }).click();
        if (body) await route.locator('textarea').fill(JSON.stringify(body));
        await route.getByRole('button', { name: 'Execute' }).click();
        const answer = route.locator('.live-responses-table .response');
        await answer.waitFor();
        return answer.innerText();
      };
      assert.match(await execute('Create a user and sign in', user), /^201/);
      const me = await execute('The signed-in user');
      assert.match(me, /^200/);
      assert.ok(me.includes(user.email));
      assert.deepEqual(stage.errors, []);
    });
  });
}

describe('pages of browser apps', () => {
  let world;
  before(async () => (world = await World.open(PLACES['two ports of localhost'])));
  after(() => world.close());

  /**
   * Browsers put every 401 into the console, and CanJS every promise that rejects, one of them (of a refused save) as an uncaught
   * problem document, which shows as `Object`; nothing else may be there.
   */
  const unexpected = (stage) =>
    stage.errors.filter((text) => !/status of 401|^Failed promise:|^Object$/.test(text));

  story('a person signs up, reloads, signs out, mistypes, and signs in', async (stage) => {
    const { email, password } = someone();
    const page = await stage.open(`${world.app}/demo.html`);
    const signedIn = page.getByText(`Signed in as ${email}`);
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign up' }).click();
    await signedIn.waitFor();
    await page.reload();
    await signedIn.waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill('mistyped');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('Email or password is wrong').waitFor();
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await signedIn.waitFor();
    assert.deepEqual(unexpected(stage), []);
  });

  story('CanJS redraws as the session comes and goes', async (stage) => {
    const { email, password } = someone();
    await must(await stage.openClient(world.app, 'fetch'), 'signUp', { email, password });
    await stage.context.clearCookies();
    const page = await stage.open(`${world.app}/demo-can.html`);
    const signedIn = page.getByText(`Signed in as ${email}`);
    await page.getByPlaceholder('email').fill(email);
    await page.getByPlaceholder('password').fill('mistyped');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Email or password is wrong').waitFor();
    await page.getByPlaceholder('email').fill(email);
    await page.getByPlaceholder('password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await signedIn.waitFor();
    await page.reload();
    await signedIn.waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByPlaceholder('email').waitFor();
    assert.deepEqual(unexpected(stage), []);
  });
});
