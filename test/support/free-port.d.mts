/** A port of this machine that nobody listens on, and that no test file beside this one will take. */
export function freePort(): Promise<number>;
