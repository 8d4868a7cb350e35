/** A command that was refused, in one line for the operator. */
export class Refusal extends Error {}
