const names = new Map<string, string>();

/** The name that a prepared statement has on every connection of this process. For texts that are in the source, which are few. */
export function statementName(sql: string): string {
  const known = names.get(sql);
  if (known !== undefined) return known;
  const name = `latchkey_${names.size}`;
  names.set(sql, name);
  return name;
}
