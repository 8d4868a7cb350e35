import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import helmet from 'helmet';

/** Header names in lower case, with their values. */
export type HeaderMap = Readonly<Record<string, string>>;

/** What an answer may do when somebody opens it in a browser: nothing. */
export const API_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** What Swagger UI needs: its own scripts and styles (it writes style attributes), data images, and calls to this API. */
export const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Answers are about one caller: nobody keeps them, and whoever does not obey knows at least what they depend on. */
export const PRIVATE_CACHING: HeaderMap = {
  'cache-control': 'no-store',
  vary: 'Origin, Cookie, Authorization',
};

const HSTS_SECONDS = 63_072_000;

/**
 * The headers of every answer, computed once: helmet as middleware works its policy out on each request, which costs a
 * third of the throughput. A route may override single ones; a refusal has them all again (problem.filter.ts).
 * @param isHttps Whether browsers reach us over https: only then is there `Strict-Transport-Security`.
 */
export function securityHeaders(isHttps: boolean): HeaderMap {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  helmet({
    contentSecurityPolicy: false,
    crossOriginOpenerPolicy: { policy: 'same-origin' },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    referrerPolicy: { policy: 'no-referrer' },
    strictTransportSecurity: isHttps && { maxAge: HSTS_SECONDS, includeSubDomains: false },
    // Not in our contract, and without a meaning for JSON that nobody may frame or cache.
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xFrameOptions: false,
    xPermittedCrossDomainPolicies: false,
    xPoweredBy: false,
    xXssProtection: false,
  })(response.req, response, (error?: unknown) => {
    if (error !== undefined) throw new Error('helmet refused its settings', { cause: error });
  });
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.getHeaders())) headers[name] = String(value);
  return { ...headers, 'content-security-policy': API_POLICY, ...PRIVATE_CACHING };
}
