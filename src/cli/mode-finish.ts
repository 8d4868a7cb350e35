import type { FinishProgress, SignedOut } from '../sessions/mode-switch.js';
import type { ModeTools } from './mode-context.js';
import { describeSignedOut } from './mode-status.js';
import { Refusal } from './refusal.js';

/** What to finish, and how. */
interface FinishOptions {
  readonly strategy: string;
  /** End the sessions that hold nothing else. */
  readonly force: boolean;
  /** Takes a line for each batch. */
  readonly progress: (line: string) => void;
}

/**
 * Withdraws a strategy. Without `force` nobody is signed out, also of those who sign in while it runs.
 * @throws Refusal when it is not known, is what sign-ins get, or somebody holds nothing else
 */
export async function finish(
  { modeSwitch, mode, known }: ModeTools,
  { strategy, force, progress }: FinishOptions,
): Promise<FinishProgress> {
  const holders = (await modeSwitch.uses()).some((use) => use.strategy === strategy);
  if (!known.includes(strategy) && !holders) {
    throw new Refusal(`there is no strategy "${strategy}"; there are: ${known.join(', ')}`);
  }
  if (mode[0] === strategy && !force) {
    throw new Refusal(
      [
        `${strategy} is the primary: AUTH_MODE=${mode.join(',')} here, so every sign-in gets it. Put another one first, or use --force.`,
      ].join('\n'),
    );
  }
  const accepted = mode.filter((name) => name !== strategy);
  if (!force) refuseIfAny(strategy, await modeSwitch.signedOutWithout(strategy, accepted));
  const done = await modeSwitch.withdraw(strategy, { accepted, force }, ({ withdrawn, ended }) =>
    progress(`${withdrawn} withdrawn, ${ended} ended`),
  );
  if (!force) refuseIfAny(strategy, await modeSwitch.signedOutWithout(strategy, accepted));
  return done;
}

function refuseIfAny(strategy: string, signedOut: SignedOut): void {
  if (signedOut.sessions === 0) return;
  throw new Refusal(
    [
      `finishing ${strategy} would sign out ${describeSignedOut(signedOut)}`,
      'Wait until their clients have exchanged it or their sessions are over, or use --force.',
    ].join('\n'),
  );
}
