import { Problem } from '../http/problem.js';
import { errorCode, errorField } from './error-code.js';

// SQLSTATE classes (PostgreSQL manual, appendix A) that say "not now", whatever was asked: connection exception,
// insufficient resources, operator intervention, system error, internal error of a server that is going down.
const UNAVAILABLE_CLASSES = ['08', '53', '57', '58', 'XX'];
const UNAVAILABLE_STATES = new Set([
  '25006', // read-only: the server is, or has become, a replica
  '25P03', // idle in transaction for too long
  '25P04', // transaction for too long
  '28000', // the role or its password is not accepted (any more)
  '28P01',
  '3D000', // the database is not there (any more)
  '40001', // serialisation failure, after the retries
  '40P01', // deadlock, after the retries
  '55P03', // lock not available in time
]);
const BUSY_STATES = new Set(['40001', '40P01', '55P03', '53300']);

const SOCKET_CODES = new Set([
  'EAGAIN',
  'EACCES',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EMFILE',
  'ENETDOWN',
  'ENETUNREACH',
  'ENFILE',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
]);
const SOCKET_CALLS = new Set(['connect', 'read', 'write', 'getaddrinfo', 'socket', 'shutdown']);

// pg, pg-pool and TypeORM tell these by their words alone.
const DRIVER_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client (has encountered|was closed)|Cannot use a pool after)/i;

/**
 * What a statement or a connection failed with, as the rest of the application may see it: a `Problem('unavailable')`
 * (503) when the database is not there or not able now, so that nobody takes an outage for a wrong credential; any
 * other error as the driver gave it, without the statement and its parameters, which hold what no log may.
 */
export function toApplicationError(error: unknown): unknown {
  if (error instanceof Problem) return error;
  const cause = driverError(error);
  return isUnavailable(cause) ? unavailable(cause) : cause;
}

/** The 503 of a database that is not there, with how long a client had better wait. */
export function unavailable(cause: unknown): Problem {
  const code = errorCode(cause);
  const retryAfterSeconds = code === '25006' ? 5 : BUSY_STATES.has(code) ? 1 : 2;
  return new Problem('unavailable', { retryAfterSeconds, cause });
}

/** Whether a statement failed because a value is taken that `constraint` keeps unique. */
export function isUniqueViolation(error: unknown, constraint: string): boolean {
  const cause = driverError(error);
  return errorCode(cause) === '23505' && errorField(cause, 'constraint') === constraint;
}

/** Whether the same transaction may succeed when it is run again at once (serialisation failure, deadlock, plan out of date). */
export function isRetryable(error: unknown): boolean {
  return ['40001', '40P01'].includes(errorCode(driverError(error))) || isPlanOutOfDate(error);
}

/**
 * Whether a prepared statement can be run no more on its connection: a migration has changed the types of its columns, or the server
 * has forgotten it.
 */
export function isPlanOutOfDate(error: unknown): boolean {
  const cause = driverError(error);
  const code = errorCode(cause);
  return code === '26000' || (code === '0A000' && errorField(cause, 'routine') === 'RevalidateCachedQuery');
}

/** Whether the server takes no writes: a replica, perhaps one that was the primary until just now. */
export function isReadOnly(error: unknown): boolean {
  return errorCode(driverError(error)) === '25006';
}

function isUnavailable(error: unknown): boolean {
  const code = errorCode(error);
  if (code === 'STATEMENT_TIMEOUT' || UNAVAILABLE_STATES.has(code)) return true;
  // 08P01 is what a pooler says when it has lost the server, but only as FATAL; as ERROR it is a mistake of ours.
  if (code === '08P01') return errorField(error, 'severity') === 'FATAL';
  if (/^[0-9A-Z]{5}$/.test(code) && UNAVAILABLE_CLASSES.includes(code.slice(0, 2))) return true;
  if (SOCKET_CODES.has(code) && SOCKET_CALLS.has(errorField(error, 'syscall') || 'connect')) return true;
  return DRIVER_MESSAGES.test(errorField(error, 'message'));
}

/** TypeORM wraps what the driver said, and adds the statement with its parameters. */
function driverError(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'driverError' in error ? error.driverError : error;
}
