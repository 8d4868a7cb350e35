import type { Values, VariableName } from './schema.js';

/** What must hold between variables that are valid by themselves. */
export interface Rule {
  /** The variables it looks at; the first is the one to name. It is judged only when all of them are valid. */
  readonly reads: readonly [VariableName, ...VariableName[]];
  /** What is wrong and what is allowed; one text per problem. */
  readonly problems: (values: Values) => readonly string[];
}

/** A rule with one problem, or none when `problem` gives null. */
export const rule = (
  reads: readonly [VariableName, ...VariableName[]],
  problem: (values: Values) => string | null,
): Rule => ({
  reads,
  problems: (values) => {
    const found = problem(values);
    return found === null ? [] : [found];
  },
});
