import { createHmac } from 'node:crypto';
import type { AppSecret } from '../config/app-config.js';
import type { SessionId } from '../principal/principal.js';

/** What a derived secret is made of, besides an application secret: all of it stands in the credential's row. */
export interface DerivationSource {
  readonly sessionId: SessionId;
  readonly strategy: string;
  readonly generation: number;
  readonly seed: Buffer;
}

/**
 * The secret of a credential that was added to a running session: 256 bits, base64url. Every node derives the same one. Keyed by
 * the application secret and the row's random seed together, so that neither of them alone is enough to make it.
 */
export function deriveSecret(
  secret: AppSecret,
  { sessionId, strategy, generation, seed }: DerivationSource,
): string {
  const key = secret.derive('added-credential', 32, seed);
  return createHmac('sha256', key)
    .update(JSON.stringify([sessionId, strategy, generation]))
    .digest('base64url');
}
