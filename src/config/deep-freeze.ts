/** Freezes an object and everything below it. Not for cycles or typed arrays, which settings do not hold. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach((part: unknown) => deepFreeze(part));
  }
  return value;
}
