import { z } from 'zod';
import { errorCode, errorField } from '../database/error-code.js';

/** What a check found. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  /** What was seen, and when it is not well, what to do. */
  readonly detail: string;
}

/** For one answer of a deployment that works. */
const LIMIT_MILLISECONDS = 10_000;

const PublicConfig = z.object({ mode: z.array(z.string()), primary: z.string() });

/** Looks at a running deployment from outside, as a browser would come to it. Signs nobody in, changes nothing. */
export async function checkDeployment(url: string, origin: string | undefined): Promise<Finding[]> {
  const findings = [checkScheme(url)];
  for (const path of ['/health/live', '/health/ready']) findings.push(await checkHealth(url, path));
  if (findings.some(({ check, ok }) => check === '/health/live' && !ok)) return findings;
  findings.push(await checkConfig(url), await checkHeaders(url));
  if (origin !== undefined) findings.push(await checkPreflight(url, origin), await checkOrigin(url, origin));
  return findings;
}

function checkScheme(url: string): Finding {
  const { protocol, hostname } = new URL(url);
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  const detail = local
    ? `${protocol}//, on this machine`
    : protocol === 'https:'
      ? 'https'
      : 'plain http: cookies and tokens are readable on the way; let a proxy end TLS';
  return { check: 'https', ok: local || protocol === 'https:', detail };
}

async function checkHealth(url: string, path: string): Promise<Finding> {
  return look(path, async () => {
    const { status } = await get(url, path);
    return {
      ok: status === 200,
      detail: status === 200 ? '200' : `${status}: is it Latchkey, and does its database answer?`,
    };
  });
}

async function checkConfig(url: string): Promise<Finding> {
  return look('/auth/config', async () => {
    const config = PublicConfig.safeParse(await (await get(url, '/auth/config')).json());
    return config.success
      ? { ok: true, detail: `accepts ${config.data.mode.join(', ')}, issues ${config.data.primary}` }
      : { ok: false, detail: 'not the answer of Latchkey: does the proxy pass /auth on?' };
  });
}

async function checkHeaders(url: string): Promise<Finding> {
  return look('headers', async () => {
    const { headers } = await get(url, '/auth/config');
    const wanted = [
      'x-content-type-options',
      'x-request-id',
      ...(url.startsWith('https:') ? ['strict-transport-security'] : []),
    ];
    const missing = wanted.filter((name) => !headers.has(name));
    return missing.length === 0
      ? { ok: true, detail: wanted.join(', ') }
      : {
          ok: false,
          detail: `missing: ${missing.join(', ')}; PUBLIC_ORIGIN must be the https origin, and the proxy must pass headers on`,
        };
  });
}

async function checkPreflight(url: string, origin: string): Promise<Finding> {
  return look(`CORS for ${origin}`, async () => {
    const { headers } = await fetch(new URL('/auth/me', url), {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'x-csrf-token',
      },
      signal: AbortSignal.timeout(LIMIT_MILLISECONDS),
    });
    const ok =
      headers.get('access-control-allow-origin') === origin &&
      headers.get('access-control-allow-credentials') === 'true';
    return {
      ok: ok || origin === new URL(url).origin,
      detail: ok ? 'allowed, with credentials' : 'its pages may not read answers: add it to CORS_ORIGINS',
    };
  });
}

/** A login without a body is 400 for a listed origin, and 403 for another, before anything else is judged. */
async function checkOrigin(url: string, origin: string): Promise<Finding> {
  return look(`sign-in from ${origin}`, async () => {
    const { status } = await fetch(new URL('/auth/login', url), {
      method: 'POST',
      headers: { origin },
      signal: AbortSignal.timeout(LIMIT_MILLISECONDS),
    });
    return {
      ok: status === 400,
      detail:
        status === 400 ? 'accepted' : `refused with ${status}: PUBLIC_ORIGIN and CORS_ORIGINS do not name it`,
    };
  });
}

function get(url: string, path: string): Promise<Response> {
  return fetch(new URL(path, url), { redirect: 'manual', signal: AbortSignal.timeout(LIMIT_MILLISECONDS) });
}

async function look(check: string, work: () => Promise<Omit<Finding, 'check'>>): Promise<Finding> {
  try {
    return { check, ...(await work()) };
  } catch (error) {
    const cause = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : error;
    return {
      check,
      ok: false,
      detail: `no answer: ${errorCode(cause) || errorField(cause, 'message')}`,
    };
  }
}
