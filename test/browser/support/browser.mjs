import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const FAILURES = join(import.meta.dirname, '..', 'failures');

/** On an idle machine a story takes up to 7 s, unless it says that it takes longer. */
const STORY_LIMIT_MS = 60_000;

/** Runs as root and without a network; every host of these tests is this machine, and no other can be reached. */
const LAUNCH = {
  executablePath: '/usr/bin/chromium',
  headless: true,
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--host-resolver-rules=MAP *.test 127.0.0.1, MAP localhost 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    '--ignore-certificate-errors',
  ],
};

let browser;
after(() => browser?.close());

/**
 * A test with a fresh browser profile. When it fails, pictures of its pages and what they said are kept.
 * @param {string} name
 * @param {(stage: Stage) => Promise<void>} work
 * @param {number} limit milliseconds
 */
export function story(name, work, limit = STORY_LIMIT_MS) {
  test(name, async () => {
    browser ??= await chromium.launch(LAUNCH);
    const stage = new Stage(await browser.newContext());
    try {
      await Promise.race([work(stage), tooLate(limit)]);
    } catch (error) {
      await stage.keepPictures(name);
      throw error;
    } finally {
      await stage.context.close();
    }
  });
}

/** Rejects when a story has had its time. */
async function tooLate(limit) {
  await delay(limit, undefined, { ref: false });
  throw new Error(`not done within ${limit / 1000} s`);
}

/**
 * The folder of a browser profile that takes or blocks third-party cookies. (The profiles of stories block them, since Chromium
 * takes those for private windows.)
 */
export function makeProfile({ blocksThirdPartyCookies }) {
  const folder = mkdtempSync(join(tmpdir(), 'lk-profile-'));
  mkdirSync(join(folder, 'Default'));
  const preferences = { profile: { cookie_controls_mode: blocksThirdPartyCookies ? 1 : 0 } };
  writeFileSync(join(folder, 'Default', 'Preferences'), JSON.stringify(preferences));
  return folder;
}

/** A browser with a profile on disk, which a later one can go on with. Closing its context ends the browser, as a user does. */
export async function openProfile(folder) {
  return new Stage(await chromium.launchPersistentContext(folder, LAUNCH));
}

/** The pages of one browser profile: they share cookies, as the tabs of a user do. */
export class Stage {
  /** What the pages logged and asked for, for the report of a failure. */
  #lines = [];
  /** Errors in the consoles of all pages. */
  errors = [];

  constructor(context) {
    this.context = context;
    context.on('console', (message) => {
      this.#lines.push(`console ${message.type()}: ${message.text()} (${message.page()?.url()})`);
      if (message.type() === 'error') this.errors.push(message.text());
    });
    context.on('weberror', (error) => {
      this.#lines.push(`uncaught: ${error.error().stack}`);
      this.errors.push(error.error().message);
    });
    context.on('response', (response) => {
      const request = response.request();
      this.#lines.push(`${response.status()} ${request.method()} ${response.url()}`);
    });
    context.on('requestfailed', (request) => {
      this.#lines.push(`${request.failure()?.errorText} ${request.method()} ${request.url()}`);
    });
  }

  /** A new tab. */
  async open(url) {
    const page = await this.context.newPage();
    await page.goto(url);
    return page;
  }

  /** A new tab with one of the clients of the clients folder as `window.client`. */
  async openClient(origin, name) {
    const page = await this.open(`${origin}/page/${name}`);
    await clientOf(page);
    return page;
  }

  async keepPictures(name) {
    mkdirSync(FAILURES, { recursive: true });
    const path = join(FAILURES, name.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 120));
    for (const [index, page] of this.context.pages().entries()) {
      await page.screenshot({ path: `${path}-${index + 1}.png`, fullPage: true }).catch(() => undefined);
    }
    writeFileSync(`${path}.txt`, `${this.#lines.join('\n')}\n`);
  }
}

/** Resolves when the page has its client, also after a reload. */
export async function clientOf(page) {
  await page.waitForFunction(() => window.client !== undefined);
}

/** Calls a function of the page's client: `[true, answer]`, or `[false, problem document or message]`. */
export async function use(page, name, ...args) {
  return page.evaluate(
    async ([name, args]) => {
      try {
        return [true, (await window.client[name](...args)) ?? null];
      } catch (error) {
        return [false, error?.problem ?? error?.message ?? error ?? null];
      }
    },
    [name, args],
  );
}

/** As {@link use}, of a call that has to succeed. */
export async function must(page, name, ...args) {
  const [ok, answer] = await use(page, name, ...args);
  if (!ok) throw new Error(`${name} failed: ${JSON.stringify(answer)}`);
  return answer;
}

let users = 0;

/** A user that nobody else has. */
export function someone() {
  users += 1;
  return { email: `user${users}-${process.pid}@example.com`, password: 'correct horse battery staple' };
}
