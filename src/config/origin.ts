import { listOf, shown } from './scalars.js';
import type { Parser, Report } from './variable.js';

/** Schemes whose pages have no origin of their own to send, or that never appear in an `Origin` header. */
const NOT_ORIGINS = new Set(['file', 'data', 'blob', 'javascript', 'about', 'ws', 'wss', 'ftp']);

const WEB = 'scheme://host or scheme://host:port with http or https, such as https://app.example.com';
const ANY = `${WEB}, or an app's own scheme such as capacitor://localhost`;

/** As browsers write it in `Origin` (RFC 6454 section 6.2): lower case, punycode, no default port, no path. */
function parseOrigin(text: string, allowed: string, report: Report): string | undefined {
  const refuse = (why: string): undefined => {
    report(`${why}; allowed: ${allowed}`);
  };
  if (text.includes('*')) return refuse('a wildcard is refused, because answers carry credentials');
  if (text.toLowerCase() === 'null') return refuse('null is refused, because any sandboxed page sends it');
  const [, scheme, host, rest] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\\\s]+)(.*)$/i.exec(text) ?? [];
  if (scheme === undefined || host === undefined) return refuse(`${shown(text)} is not an origin`);
  if (rest !== '')
    return refuse(`${shown(text)} has a path; an origin ends after host and port, without "/"`);
  if (host.includes('@')) return refuse('user name and password do not belong in an origin');
  const lower = `${scheme}://${host}`.toLowerCase();
  if (/^https?:/.test(lower))
    return URL.canParse(lower) ? new URL(lower).origin : refuse(`${shown(text)} is not a valid address`);
  if (allowed === WEB || NOT_ORIGINS.has(scheme.toLowerCase()))
    return refuse(`${shown(text)} has a scheme that is not allowed here`);
  return /^[a-z0-9._-]+(:\d{1,5})?$/.test(host.toLowerCase())
    ? lower
    : refuse(`${shown(text)} is not a valid address`);
}

/** The origin of Latchkey itself. */
export const publicOrigin: Parser<string> = (text, report) => parseOrigin(text, WEB, report);

/** Exact origins, native schemes included; each once. */
export const originList: Parser<readonly string[]> = (text, report) => [
  ...new Set(listOf<string>((entry, reportEntry) => parseOrigin(entry, ANY, reportEntry))(text, report)),
];
