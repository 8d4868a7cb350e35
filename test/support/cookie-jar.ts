/** A `Set-Cookie` line taken apart. Attribute names in lower case; flags have the value `true`. */
export interface SetCookie {
  readonly name: string;
  readonly value: string;
  readonly attributes: Readonly<Record<string, string | true>>;
}

/** Takes a `Set-Cookie` line apart. */
export function parseSetCookie(line: string): SetCookie {
  const [pair = '', ...rest] = line.split('; ');
  const equals = pair.indexOf('=');
  const attributes: Record<string, string | true> = {};
  for (const attribute of rest) {
    const [flag = '', value] = attribute.split('=');
    attributes[flag.toLowerCase()] = value ?? true;
  }
  return { name: pair.slice(0, equals), value: pair.slice(equals + 1), attributes };
}

/** What a browser keeps of one host's cookies, as far as the tests need it. */
export class CookieJar {
  private readonly values = new Map<string, string>();

  take(lines: readonly string[]): void {
    for (const { name, value, attributes } of lines.map(parseSetCookie)) {
      if (attributes['max-age'] === '0') this.values.delete(name);
      else this.values.set(name, value);
    }
  }

  get(name: string): string | undefined {
    return this.values.get(name);
  }

  set(name: string, value: string): void {
    this.values.set(name, value);
  }

  delete(name: string): void {
    this.values.delete(name);
  }

  get names(): string[] {
    return [...this.values.keys()];
  }

  /** The `Cookie` header, or undefined when there is nothing to send. */
  get header(): string | undefined {
    return this.values.size === 0
      ? undefined
      : [...this.values].map(([name, value]) => `${name}=${value}`).join('; ');
  }
}
