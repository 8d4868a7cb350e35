import type { HoldingCount, SignedOut, StrategyUse } from '../sessions/mode-switch.js';
import type { ModeTools } from './mode-context.js';
import { table } from './table.js';

/** What `mode status` tells. */
export interface ModeStatus {
  /** `AUTH_MODE` here; other nodes may have another one during a deploy. */
  readonly mode: readonly string[];
  readonly primary: string;
  readonly holdings: readonly HoldingCount[];
  readonly strategies: readonly (StrategyUse & { enabled: boolean; finishingWouldSignOut: SignedOut })[];
}

/** Reads it all. */
export async function readStatus({ modeSwitch, mode }: ModeTools): Promise<ModeStatus> {
  const [primary = ''] = mode;
  const strategies: ModeStatus['strategies'][number][] = [];
  for (const use of await modeSwitch.uses()) {
    const accepted = mode.filter((name) => name !== use.strategy);
    strategies.push({
      ...use,
      enabled: mode.includes(use.strategy),
      finishingWouldSignOut: await modeSwitch.signedOutWithout(use.strategy, accepted),
    });
  }
  return { mode, primary, holdings: await modeSwitch.holdings(), strategies };
}

/** The same for people. */
export function statusText({ mode, primary, holdings, strategies }: ModeStatus): string {
  const heading = `AUTH_MODE=${mode.join(',')} here: ${primary} is the primary, which sign-ins get.`;
  if (holdings.length === 0) return `${heading}\n\nNobody is signed in.`;
  return [
    heading,
    '',
    table([
      ['LIVE SESSIONS', 'HOLD'],
      ...holdings.map(({ holds, sessions }) => [String(sessions), holds.join(' + ') || 'nothing']),
    ]),
    '',
    table([
      ['CREDENTIAL', 'ENABLED HERE', 'LIVE SESSIONS', 'USED WITHIN 1 H', '1 DAY', '7 DAYS', 'LAST USED'],
      ...strategies.map(({ strategy, enabled, sessions, usedWithin: { hour, day, week }, lastUsedAt }) => [
        strategy,
        enabled ? 'yes' : 'no',
        ...[sessions, hour, day, week].map(String),
        lastUsedAt.toISOString(),
      ]),
    ]),
    '',
    ...strategies.map(
      ({ strategy, finishingWouldSignOut: out }) =>
        `Finishing ${strategy} now would sign out ${out.sessions === 0 ? 'nobody' : describeSignedOut(out)}.`,
    ),
  ].join('\n');
}

/** How many, and who first. */
export function describeSignedOut({ sessions, users, emails }: SignedOut): string {
  const more = users > emails.length ? `, and ${users - emails.length} more` : '';
  return `${count(sessions, 'session')} of ${count(users, 'user')}: ${emails.join(', ')}${more}`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
