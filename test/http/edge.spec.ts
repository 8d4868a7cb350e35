import { startHttpApp, type HttpApp } from './support/http-app.js';
let s: HttpApp;
beforeAll(async () => {
  s = await startHttpApp();
});
afterAll(async () => {
  await s.app.close();
});
it('smoke', async () => {
  for (const [m, p, init] of [
    ['GET', '/auth/me'],
    ['GET', '/nope'],
    ['POST', '/auth/me'],
    ['OPTIONS', '/auth/me'],
    ['HEAD', '/auth/me'],
    ['GET', '/faults/throw'],
    ['GET', '/%ff'],
    [
      'POST',
      '/auth/login',
      { headers: { 'content-type': 'application/json' }, body: '{"email":"a","password":1,"x":2}' },
    ],
  ] as any) {
    const r = await fetch(s.url + p, { method: m, ...init });
    console.log(m, p, r.status, Object.fromEntries(r.headers), await r.text());
  }
  console.log(s.log.join(''));
});
