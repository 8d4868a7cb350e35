import { median, rates, ratioOfPairs } from './statistics.mjs';

/** Beside whom everybody's GET /me is measured. */
export const YARDSTICK = 'nest-fastify';

/** How many times the yardstick's requests a second; NaN where that was not measured. `which`: `one` credential, or `many`. */
export function timesYardstick(me, id, which = 'one') {
  if (id === YARDSTICK) return which === 'one' ? 1 : NaN;
  const measured = me?.[id];
  return measured?.[which].length > 0 ? ratioOfPairs(measured[which], measured.beside[which]) : NaN;
}

/** Requests a second: what the yardstick did in the middle, times the ratio. So are all of the same moment. */
export function requestsPerSecond(me, id, which = 'one') {
  return timesYardstick(me, id, which) * median(rates(me[YARDSTICK].one));
}
