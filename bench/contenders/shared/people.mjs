/** Everybody's password. */
export const PASSWORD = 'seventeen herons cross the quiet lake';

/** The users of every contender. */
export function people(count) {
  return Array.from({ length: count }, (_, index) => ({
    email: `user-${index}@bench.example`,
    name: `User ${index}`,
  }));
}
