import { isIP } from 'node:net';
import { integer, listOf, shown } from './scalars.js';
import type { Parser, Report } from './variable.js';

const ALLOWED = 'a number of proxies from 0 to 16, or their addresses such as 10.0.0.0/8,192.0.2.7,fd00::/8';

function parseBlock(text: string, report: Report): string {
  const [, address = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  const widest = family === 4 ? 32 : 128;
  if (family === 0 || Number(bits ?? widest) > widest)
    report(`${shown(text)} is not an address or CIDR block; allowed: ${ALLOWED}`);
  else if (Number(bits ?? widest) === 0)
    report(`${shown(text)} trusts everybody, so anyone could forge addresses; allowed: ${ALLOWED}`);
  return text;
}

/** A hop count, or a list of IPs and CIDR blocks. `true` would believe a forged X-Forwarded-For. */
export const trustProxy: Parser<number | readonly string[]> = (text, report) => {
  if (/^\d+$/.test(text)) return integer(0, 16)(text, report);
  if (/^(true|\*)$/i.test(text)) {
    report(`${shown(text)} trusts everybody, so anyone could forge addresses; allowed: ${ALLOWED}`);
    return undefined;
  }
  return listOf(parseBlock)(text, report);
};
