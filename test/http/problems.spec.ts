import { call, expectProblem, expectEveryHeader } from './support/expect-problem.js';
import { CHALLENGES, type HttpApp, startHttpApp } from './support/http-app.js';

let server: HttpApp;

beforeAll(async () => {
  server = await startHttpApp();
});

afterAll(async () => {
  await server.app.close();
});

const get = (path: string) => call(server.url + path);

describe('what goes wrong in a handler', () => {
  it.each(['throw', 'reject', 'not-an-error', 'wrong-answer'])(
    'EL01 EL02 /faults/%s is a 500 that says nothing, and the log says all',
    async (path) => {
      server.log.length = 0;
      const answer = await get(`/faults/${path}`);
      const { requestId, detail } = expectProblem(answer, 'internal_error');
      expect(detail).toBeUndefined();
      expect(answer.body).not.toMatch(/canary|SELECT|\.js|\.ts|\bat /);
      const line = server.log.find((text) => text.includes('request failed')) ?? '{}';
      expect(JSON.parse(line)).toMatchObject({ requestId, method: 'GET', route: `/faults/${path}` });
      expect(line).not.toContain('canary-parameter');
    },
  );

  it('EL02 the log has the stack', async () => {
    server.log.length = 0;
    await get('/faults/throw');
    expect(server.log.join('')).toMatch(/"stack":"Error: canary.*FaultsController\.throw/);
  });

  it('503 has Retry-After in whole seconds, rounded up, and its cause is logged', async () => {
    server.log.length = 0;
    const answer = await get('/faults/unavailable');
    expectProblem(answer, 'unavailable');
    expect(answer.headers.get('retry-after')).toBe('4');
    expect(answer.body).not.toContain('connection refused');
    expect(server.log.join('')).toContain('connection refused');
  });

  it('429 has Retry-After, and is not worth a line', async () => {
    server.log.length = 0;
    const answer = await get('/faults/limited');
    expectProblem(answer, 'too_many_requests');
    expect(answer.headers.get('retry-after')).toBe('60');
    expect(server.log).toEqual([]);
  });

  it("terminus' 503, Nest's 403 and 404, and an exception that nobody foresaw have our form", async () => {
    for (const [path, code] of [
      ['nest-503', 'unavailable'],
      ['nest-403', 'forbidden'],
      ['nest-404', 'not_found'],
      ['nest-401', 'credential_invalid'],
      ['nest-418', 'malformed_request'],
      ['nest-502', 'internal_error'],
    ] as const) {
      const answer = await get(`/faults/${path}`);
      expectProblem(answer, code);
      expect(answer.body).not.toMatch(/canary|database/);
    }
  });

  it('at most 20 errors', async () => {
    expect(expectProblem(await get('/faults/many'), 'validation_failed').errors).toHaveLength(20);
  });

  it('when half an answer is out, the connection is cut', async () => {
    await expect(get('/faults/halfway')).rejects.toThrow();
    expect((await get('/auth/me')).status).toBe(200);
  });

  it('IV04 EL05 the same process answers on', async () => {
    const answer = await get('/auth/me');
    expect(answer.status).toBe(200);
    expectEveryHeader(answer);
  });
});

describe('cookies', () => {
  it('CK13 a refusal takes back what a handler had set, on the reply and below it', async () => {
    expectProblem(await get('/faults/unavailable'), 'unavailable');
  });

  it("CK13 a refusal takes express-session's session away before it can write its cookie", async () => {
    expectProblem(await get('/faults/express-session'), 'unavailable');
  });

  it('logout expires its cookies with a 401 too, and no others', async () => {
    const response = await fetch(`${server.url}/auth/logout`, { method: 'POST' });
    expect(response.status).toBe(401);
    expect(response.headers.getSetCookie()).toEqual(['sid=; Path=/; Max-Age=0', 'rt=; Path=/; Max-Age=0']);
  });

  it('a logout that could not be done touches no cookie', async () => {
    expectProblem(await get('/faults/logout-unavailable'), 'unavailable');
  });

  it('a logout that was done expires its cookies', async () => {
    const response = await fetch(`${server.url}/faults/logout-done`);
    expect(response.status).toBe(200);
    expect(response.headers.getSetCookie()).toEqual(['sid=; Path=/; Max-Age=0']);
  });
});

it('HD08 a 401 names the challenges of all strategies', async () => {
  const answer = await get('/faults/nest-401');
  expectProblem(answer, 'credential_invalid');
  expect(answer.headers.get('www-authenticate')).toBe(CHALLENGES);
});
