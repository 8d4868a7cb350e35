/** The settings do not allow a start. The message has one line per problem and no secret's value. */
export class ConfigError extends Error {
  constructor(
    /** One line each: the variable, what is wrong, what is allowed. At least one. */
    readonly problems: readonly string[],
  ) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
  }
}
