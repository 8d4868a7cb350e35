/** What a body is, as far as we read any. */
export type BodyKind = 'json' | 'form' | 'other';

/**
 * The kind of body that a `Content-Type` header (RFC 9110, section 8.3) announces. Everything that is not plainly UTF-8 JSON or
 * a UTF-8 form is `other`: another charset, a `+json` suffix, a parameter without a value.
 */
export function bodyKind(contentType: string | undefined): BodyKind {
  if (contentType === undefined) return 'other';
  if (contentType === 'application/json') return 'json';
  const [type = '', ...parameters] = contentType.split(';');
  if (!parameters.every(isAcceptable)) return 'other';
  switch (type.trim().toLowerCase()) {
    case 'application/json':
      return 'json';
    case 'application/x-www-form-urlencoded':
      return 'form';
    default:
      return 'other';
  }
}

function isAcceptable(parameter: string): boolean {
  const text = parameter.trim().toLowerCase();
  if (text === '') return true;
  const equals = text.indexOf('=');
  if (equals < 1) return false;
  if (text.slice(0, equals) !== 'charset') return true;
  const charset = text.slice(equals + 1);
  return charset === 'utf-8' || charset === '"utf-8"';
}
