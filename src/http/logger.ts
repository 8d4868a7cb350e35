import { createRequire } from 'node:module';
import type * as PinoPretty from 'pino-pretty';
import { pino } from 'pino';
import type { AppConfig } from '../config/app-config.js';
import { describeError } from './describe-error.js';
import { LogOutput, openStandardOutput } from './log-output.js';

/** The log of the process. Write `logger.info({ requestId }, 'what happened')`; never headers, bodies or URLs with a query. */
export type Logger = pino.Logger;

/** Injection token of the {@link Logger}. */
export const LOGGER = Symbol('LOGGER');

/**
 * The second net: nobody logs these, and if somebody does after all, the value does not come out. One level down covers
 * what is logged most often, a body or headers as a whole.
 */
const SECRET_NAMES = [
  'password',
  'currentPassword',
  'newPassword',
  'passwordHash',
  'authorization',
  'cookie',
  '["set-cookie"]',
  '["x-csrf-token"]',
  'token',
  'accessToken',
  'refreshToken',
  'csrfToken',
  'secret',
  'parameters',
];

let standardOutput: LogOutput | undefined;

/**
 * The log as configured: `json`, one object a line, or `pretty` for people. An error under the name `err` is shown with its causes,
 * and without what a driver hangs on it.
 * @param target Where the lines go; by default the standard output.
 */
export function createLogger(config: AppConfig, target?: pino.DestinationStream): Logger {
  const { level, format } = config.log;
  const output = target ?? (standardOutput ??= openStandardOutput());
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: (error: unknown) => describeError(error) },
      redact: { paths: SECRET_NAMES.flatMap((name) => [name, below(name)]), censor: '[secret]' },
    },
    format === 'json' ? output : prettily(output),
  );
  if (output instanceof LogOutput)
    output.onLoss((linesSinceStart) => logger.warn({ linesSinceStart }, 'log lines were dropped'));
  return logger;
}

function below(name: string): string {
  return name.startsWith('[') ? `*${name}` : `*.${name}`;
}

/** pino-pretty takes 50 ms to load, so production does not. */
function prettily(target: pino.DestinationStream): pino.DestinationStream {
  const load = createRequire(import.meta.url);
  const { prettyFactory } = load('pino-pretty') as typeof PinoPretty;
  const toText = prettyFactory({
    colorize: process.stdout.isTTY === true,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  });
  return { write: (line) => target.write(toText(line) ?? '') };
}
