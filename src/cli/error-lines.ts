import { ConfigError } from '../config/load-config.js';
import { StartError } from '../database/start-error.js';
import { Problem } from '../http/problem.js';
import { Refusal } from './refusal.js';

/** What to tell the operator: a line for each thing that is wrong, and a stack only for what nobody foresaw. */
export function linesOf(error: unknown): string[] {
  if (error instanceof ConfigError) return [...error.problems];
  if (error instanceof StartError) return [error.message];
  if (error instanceof Refusal) return error.message.split('\n');
  if (error instanceof Problem) return [`${error.message}${error.detail ? `: ${error.detail}` : ''}`];
  return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
}
