import { durationText } from './duration.js';
import { publicOriginOf } from './derived-defaults.js';
import type { Values } from './schema.js';

const isPlainHttp = (origin: string): boolean =>
  origin.startsWith('http://') && !/^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(origin);

/** Settings that are valid and yet probably not meant, as whole lines. */
export function warningsAbout(values: Values): readonly string[] {
  const lines: string[] = [];
  const listed = [publicOriginOf(values), ...(values.CORS_ORIGINS ?? [])];
  for (const origin of values.JWT_REFRESH_BODY_ORIGINS ?? [])
    if (!listed.includes(origin))
      lines.push(
        `JWT_REFRESH_BODY_ORIGINS: ${origin} is not in CORS_ORIGINS too, so its requests are refused`,
      );
  if (values.NODE_ENV === 'production')
    for (const origin of (values.CORS_ORIGINS ?? []).filter(isPlainHttp))
      lines.push(`CORS_ORIGINS: ${origin} is not https, so anyone on the way to it can act for its users`);
  if (values.SESSION_REMEMBER_IDLE_TTL < values.SESSION_IDLE_TTL)
    lines.push(
      `SESSION_REMEMBER_IDLE_TTL: ${durationText(values.SESSION_REMEMBER_IDLE_TTL)} is shorter than SESSION_IDLE_TTL, so "remember" ends sessions sooner`,
    );
  return lines;
}
