import { editDistance } from './edit-distance.js';
import type { Layer } from './env-files.js';
import type { Report } from './variable.js';

const PREFIXES = ['AUTH_', 'SESSION_', 'JWT_', 'CSRF_', 'CORS_', 'COOKIE_', 'THROTTLE_', 'PASSWORD_'];

/** Desktops set the first; Kubernetes sets the others for every service, so for one that is called `auth`. */
const isForeign = (name: string): boolean =>
  name === 'SESSION_MANAGER' || name.endsWith('_SERVICE_HOST') || name.includes('_PORT');

/** Names this short are two edits from too many others to say anything. */
const SHORTEST_WITHOUT_PREFIX = 8;

/** The known name within two edits, the nearest first. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((candidate) => ({ candidate, edits: editDistance(name.toUpperCase(), candidate) }))
    .filter(({ edits }) => edits <= 2)
    .sort((left, right) => left.edits - right.edits);
  return best?.candidate;
}

function judge(
  name: string,
  file: string | null,
  known: readonly string[],
  report: Report,
  warn: Report,
): void {
  const place = file === null ? name : `${name} (${file})`;
  if (name.toUpperCase() === 'COOKIE_DOMAIN') {
    report(
      `${place}: there is no cookie domain, because every subdomain could then read and plant the cookies; allowed: leave it out, cookies belong to the host of PUBLIC_ORIGIN alone`,
    );
    return;
  }
  const prefix = PREFIXES.find((candidate) => name.toUpperCase().startsWith(candidate));
  const meant = nearest(name, known);
  if (prefix === undefined) {
    if (meant !== undefined && meant.length >= SHORTEST_WITHOUT_PREFIX)
      warn(`${place}: is not a variable of Latchkey and has no effect; did you mean ${meant}?`);
    return;
  }
  const siblings = known.filter((candidate) => candidate.startsWith(prefix)).join(', ');
  const allowed =
    meant === undefined ? `allowed: ${siblings}` : `did you mean ${meant}? allowed: ${siblings}`;
  if (file !== null || meant !== undefined) report(`${place}: is not a variable of Latchkey; ${allowed}`);
  else warn(`${place}: is not a variable of Latchkey and has no effect; ${allowed}`);
}

/**
 * Finds variables that look like ours and are not: a mistyped setting would otherwise leave its default in force
 * without a word.
 * @param report takes whole lines that stop the start
 * @param warn takes whole lines that do not
 */
export function guardAgainstTypos(
  layers: readonly Layer[],
  known: readonly string[],
  report: Report,
  warn: Report,
): void {
  for (const { file, variables } of layers)
    for (const name of Object.keys(variables))
      if (/^\w+$/.test(name) && !known.includes(name) && !isForeign(name))
        judge(name, file, known, report, warn);
}
