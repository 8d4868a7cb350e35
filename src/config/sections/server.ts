import { isIP } from 'node:net';
import { publicOrigin, originList } from '../origin.js';
import { choice, flag, integer, shown } from '../scalars.js';
import { trustProxy } from '../trust-proxy.js';
import { optional, variable, type Parser } from '../variable.js';

const listenAddress: Parser<string> = (text, report) => {
  if (isIP(text) === 0 && !/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text))
    report(
      `${shown(text)} is not allowed; allowed: an IP address or host name without port, such as 127.0.0.1`,
    );
  return text;
};

/** Where Latchkey listens and how the outside reaches it. */
export const serverSection = {
  NODE_ENV: variable(
    'development, test or production; production refuses every insecure combination',
    'development',
    choice('development', 'test', 'production'),
  ),
  PORT: variable('TCP port to listen on', '3000', integer(0, 65_535)),
  HOST: optional('address to listen on', '127.0.0.1 (0.0.0.0 in production)', listenAddress),
  PUBLIC_ORIGIN: optional(
    'scheme, host and port that browsers see, without a path; required in production, https there',
    'http://localhost:<PORT>',
    publicOrigin,
  ),
  CORS_ORIGINS: optional(
    'exact origins of browser apps elsewhere, with commas; native schemes such as capacitor://localhost too',
    'none',
    originList,
  ),
  TRUST_PROXY: variable(
    'number of proxies in front, or their IP addresses and CIDR blocks with commas',
    '0',
    trustProxy,
  ),
  DOCS: optional('serve /docs and /openapi.json: true or false', 'true (false in production)', flag),
  METRICS_PORT: optional(
    'TCP port for Prometheus: /metrics on HOST, without a credential, so keep it inside',
    'none',
    integer(0, 65_535),
  ),
};
