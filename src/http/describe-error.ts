const MAX_CAUSES = 5;
const READ = ['name', 'message', 'code', 'stack', 'cause'];

/** An error as the log shows it. */
export interface DescribedError {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: DescribedError;
}

/**
 * What the log may know of an error: its kind, message, code, stack and causes. Other properties stay out, for drivers keep
 * the values of a statement there.
 */
export function describeError(error: unknown, causesLeft = MAX_CAUSES): DescribedError {
  // Not `instanceof Error`: an error of another realm (worker, vm, jest) is none here.
  if (typeof error !== 'object' || error === null) return { type: typeof error, message: String(error) };
  const [name, message, code, stack, cause] = READ.map((property): unknown => Reflect.get(error, property));
  return {
    type: typeof name === 'string' ? name : 'Object',
    message: typeof message === 'string' ? message : '',
    ...(typeof code === 'string' && { code }),
    ...(typeof stack === 'string' && { stack }),
    ...(cause !== undefined && causesLeft > 0 && { cause: describeError(cause, causesLeft - 1) }),
  };
}
