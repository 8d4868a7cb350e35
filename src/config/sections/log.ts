import { choice } from '../scalars.js';
import { optional, variable } from '../variable.js';

/** What is written to standard output. */
export const logSection = {
  LOG_LEVEL: variable(
    'fatal, error, warn, info, debug, trace or silent',
    'info',
    choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
  ),
  LOG_FORMAT: optional(
    'pretty for people, json for machines',
    'pretty (json in production)',
    choice('pretty', 'json'),
  ),
};
