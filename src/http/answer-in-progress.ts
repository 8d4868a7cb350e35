import { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * The answer that a connection is waiting for or receiving, or null when it is idle. Node keeps it on the socket under a name that is not
 * documented, but has been there since its first years; without it, the two uses of this would only be less polite.
 */
export function answerInProgress(socket: Duplex): ServerResponse | null {
  const message: unknown = Reflect.get(socket, '_httpMessage');
  return message instanceof ServerResponse ? message : null;
}
