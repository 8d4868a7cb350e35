import { shown } from './scalars.js';
import type { Rate } from './settings.js';
import type { Parser } from './variable.js';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
type Unit = keyof typeof SECONDS;

/** Cookies live no longer than this either (RFC 6265bis). */
const LONGEST_SECONDS = 400 * SECONDS.d;

const GRAMMAR = 'a whole number and s, m, h or d, such as 30s, 15m, 8h or 30d, from 1s to 400d';

const isUnit = (text: string | undefined): text is Unit => text !== undefined && text in SECONDS;

/** Seconds of `30s`, `15m`, `8h`, `30d`; null for anything else, zero and more than 400 days included. */
function secondsOf(text: string): number | null {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count === undefined || !isUnit(unit)) return null;
  const seconds = Number(count) * SECONDS[unit];
  return seconds >= 1 && seconds <= LONGEST_SECONDS ? seconds : null;
}

/** A length of time, in seconds. */
export const duration: Parser<number> = (text, report) => {
  const seconds = secondsOf(text);
  if (seconds === null) report(`${shown(text)} is not a duration; allowed: ${GRAMMAR}`);
  return seconds ?? undefined;
};

/** `<count>/<duration>`, such as `5/5m`. */
export const rate: Parser<Rate> = (text, report) => {
  const [, points, window] = /^(\d{1,6})\/(.+)$/.exec(text) ?? [];
  const windowSeconds = secondsOf(window ?? '');
  if (Number(points) >= 1 && windowSeconds !== null) return { points: Number(points), windowSeconds };
  report(
    `${shown(text)} is not a rate; allowed: count/duration such as 5/5m, the count from 1 to 999999, the duration ${GRAMMAR}`,
  );
  return undefined;
};

/** The shortest text that {@link duration} reads as this many seconds. */
export function durationText(seconds: number): string {
  const units: readonly Unit[] = ['d', 'h', 'm', 's'];
  const unit = units.find((candidate) => seconds % SECONDS[candidate] === 0) ?? 's';
  return `${seconds / SECONDS[unit]}${unit}`;
}
