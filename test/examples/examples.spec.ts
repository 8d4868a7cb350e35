import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MODES, TestApp } from '../support/test-app.js';
import { PASSWORD, type TestClient } from '../support/test-client.js';
import { InvoicesModule } from './invoices.module.js';

describe.each(MODES)('the module of docs/adding-a-module.md with AUTH_MODE=%s', (mode) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await TestApp.start({ mode, env: { THROTTLE: 'off' }, modules: [InvoicesModule] });
  });
  afterAll(() => app.close());

  async function signedUp(): Promise<TestClient> {
    const client = app.client();
    expect((await client.signup()).status).toBe(201);
    return client;
  }

  test('an unmarked route is closed, and knows its caller', async () => {
    const client = await signedUp();
    expect((await app.client().get('/invoices')).status).toBe(401);
    expect((await client.get('/invoices')).body).toEqual({ owner: client.email, cents: [1250] });
  });

  test('@Roles lets those through who have one of them, and asks before it looks at the body', async () => {
    const client = await signedUp();
    for (const body of [{ cents: 5 }, { cents: 'many' }]) {
      const refused = await client.post('/invoices', body);
      expect([refused.status, refused.body.code]).toEqual([403, 'forbidden']);
    }
    const roles = ['user', 'accountant'];
    await app.rows('UPDATE users SET roles = $1 WHERE email = $2', [roles, client.email]);
    const accountant = client.sibling();
    const { body } = await accountant.login();
    const written = await accountant.post('/invoices', { cents: 5 });
    expect([written.status, written.body]).toEqual([201, { cents: 5, createdBy: body.user.id }]);
    const bad = await accountant.post('/invoices', { cents: -1, currency: 'USD' });
    expect([bad.status, bad.body.code]).toEqual([400, 'validation_failed']);
    expect(bad.body.errors.map(({ path }: { path: string }) => path)).toEqual(['', 'cents']);
  });

  test('@Public opens a route', async () => {
    expect((await app.client().get('/invoices/currency')).body).toEqual({ currency: 'EUR' });
  });

  test('CSRF needs no line of its own: a page of another site cannot write with the cookie of its visitor', async () => {
    const client = await signedUp();
    await app.rows('UPDATE users SET roles = $1 WHERE email = $2', [['admin'], client.email]);
    const admin = client.sibling();
    await admin.login({ password: PASSWORD });
    const forged = await admin.post(
      '/invoices',
      { cents: 5 },
      { headers: { origin: 'https://evil.example' } },
    );
    expect(forged.status).toBe(mode.startsWith('session') ? 403 : 201);
  });
});

/** What the documents show is what runs here: the same text, but for where a reader's file lies. */
describe('the code in the documents', () => {
  const read = (path: string): string => readFileSync(join(import.meta.dirname, path), 'utf8');
  const blocks = (markdown: string): string[] =>
    [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code ?? '');

  test('docs/adding-a-module.md', () => {
    const code = read('invoices.module.ts').replaceAll("'../../src/", "'../");
    expect(blocks(read('../../docs/adding-a-module.md'))).toContain(code);
  });

  test('docs/adding-a-strategy.md', () => {
    const code = read('opaque.strategy.ts')
      .replaceAll("'../../src/auth/", "'../")
      .replaceAll("'../../src/", "'../../");
    expect(blocks(read('../../docs/adding-a-strategy.md'))).toContain(code);
    expect(code.split('\n').length).toBeLessThanOrEqual(80);
  });
});
