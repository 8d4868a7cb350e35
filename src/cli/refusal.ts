/** A command that was understood and is not carried out: exit code 1, and these lines instead of a stack. */
export class Refusal extends Error {}
