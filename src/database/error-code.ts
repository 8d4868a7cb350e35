/**
 * The `code` of an error of Node or of PostgreSQL (`ENOENT`, `23505`), or the empty string. By field and not by class,
 * because an error of Node's own modules is not an instance of every realm's Error.
 */
export function errorCode(error: unknown): string {
  return errorField(error, 'code');
}

/** The text in any other field of an error, or the empty string. */
export function errorField(error: unknown, field: string): string {
  if (typeof error !== 'object' || error === null) return '';
  const value: unknown = Reflect.get(error, field);
  return typeof value === 'string' ? value : '';
}
