import { CommanderError } from 'commander';
import type { CommandSurroundings } from './context.js';
import { createProgram } from './program.js';

/** Exit codes (contract section 9). */
const DONE = 0;
const REFUSED = 1;
const USAGE = 2;

/** Runs one command; whatever is wrong is told in lines. @param words what stands behind the name of the program. @returns the exit code */
export async function runCommandLine(
  surroundings: CommandSurroundings,
  words: readonly string[],
): Promise<number> {
  try {
    await createProgram(surroundings).parseAsync(words, { from: 'user' });
    return DONE;
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has said itself what is wrong. Asking for help is no mistake; forgetting the command is one.
      return error.exitCode === 0 ? DONE : USAGE;
    }
    const { linesOf } = await import('./error-lines.js');
    for (const line of linesOf(error)) surroundings.warn(line);
    return REFUSED;
  }
}
