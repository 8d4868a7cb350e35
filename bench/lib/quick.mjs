const SOME = ['latchkey-session'];

/** Whom a quick run measures where everybody would take too long: unless a few were asked for by name. */
export function quickChoice({ profile, contenders }, some = SOME) {
  return ({ id }) => !profile.quick || contenders.length < 6 || some.includes(id);
}
