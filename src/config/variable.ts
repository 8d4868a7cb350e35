import { z } from 'zod';

/** Takes one sentence about what is wrong and what is allowed. May be called several times for one value. */
export type Report = (problem: string) => void;

/** Turns the text of a variable into its value. Undefined only after a report; after one, any result is thrown away. */
export type Parser<T> = (text: string, report: Report) => T | undefined;

const parsed = <T>(parse: Parser<T>) =>
  z
    .string()
    .transform(
      (text, context): T =>
        parse(text, (message) => context.addIssue({ code: 'custom', message })) ?? z.NEVER,
    );

/** A variable with a fixed default, written as an operator would write it. */
export const variable = <T>(description: string, defaultText: string, parse: Parser<T>) =>
  parsed(parse).prefault(defaultText).meta({ description, default: defaultText });

/**
 * A variable that is undefined when unset, because its default depends on something else.
 * @param whenUnset that default in words, as the documentation shows it
 */
export const optional = <T>(description: string, whenUnset: string, parse: Parser<T>) =>
  parsed(parse).optional().meta({ description, whenUnset });
