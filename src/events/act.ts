import type { FastifyRequest } from 'fastify';
import { clientAddress } from '../http/client-address.js';
import type { AuthenticatedRequest } from '../principal/authentication.js';
import type { UserId } from '../principal/principal.js';

/** Characters of a user agent that are kept. */
const MAX_USER_AGENT = 512;

/** Who does something, and by which request: what goes along with each security event. */
export interface Act {
  /** A user, an operator at the command line, Latchkey by itself, or null: nobody has proven who they are. */
  readonly actor: UserId | 'cli' | 'system' | null;
  readonly address: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
}

const NO_REQUEST = { address: null, userAgent: null, requestId: null };
/** Nothing is known of who did it. */
export const UNKNOWN_ACT: Act = { actor: null, ...NO_REQUEST };
/** An operator at the command line. */
export const COMMAND_LINE_ACT: Act = { actor: 'cli', ...NO_REQUEST };

/** The act of a request; the actor is the user whom the guard has found. */
export function actOf(request: FastifyRequest & AuthenticatedRequest): Act & { readonly address: string } {
  return {
    actor: request.authentication?.principal.userId ?? null,
    address: clientAddress(request),
    userAgent: request.headers['user-agent']?.slice(0, MAX_USER_AGENT) ?? null,
    requestId: request.id,
  };
}
