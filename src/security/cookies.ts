import { Injectable } from '@nestjs/common';
import { type SerializeOptions, serialize } from 'cookie';
import { AppConfig } from '../config/app-config.js';

type SameSite = 'strict' | 'lax' | 'none';

/** The readable cookie that carries the CSRF token; axios calls it `xsrfCookieName`. */
export const CSRF_COOKIE = 'CSRF-TOKEN';

/**
 * Names and attributes of our cookies (contract section 5). They follow `PUBLIC_ORIGIN` and never the connection, which behind
 * a proxy looks like http: `__Host-` and `Secure` on https, neither on http, and host-only in both.
 */
@Injectable()
export class Cookies {
  constructor(private readonly config: AppConfig) {}

  /** The name as it is sent: with the `__Host-` prefix (RFC 6265bis) wherever browsers accept it. */
  name(base: 'sid' | 'rt'): string {
    return this.config.server.isHttps ? `__Host-${base}` : base;
  }

  /** The attributes that all our cookies share. */
  attributes(sameSite: SameSite = this.config.cookies.sameSite) {
    return {
      path: '/',
      secure: this.config.server.isHttps,
      sameSite,
      ...(sameSite === 'none' && { partitioned: true }),
    };
  }

  /** The refresh cookie: HttpOnly and, unless configured as `none`, SameSite=Strict. `maxAgeSeconds` null: until the browser ends. */
  refresh(token: string, maxAgeSeconds: number | null): string {
    return serialize(this.name('rt'), token, { ...this.refreshAttributes(), ...maxAge(maxAgeSeconds) });
  }

  /** The cookie that hands the CSRF token to scripts of our own origin; it lives as long as the cookie that it protects. */
  csrf(token: string, maxAgeSeconds: number | null): string {
    return serialize(CSRF_COOKIE, token, { ...this.attributes(), ...maxAge(maxAgeSeconds) });
  }

  /** The same cookie, expired: same name, path and attributes, or browsers keep the old one. */
  expired(base: 'sid' | 'rt'): string {
    const attributes = base === 'rt' ? this.refreshAttributes() : { ...this.attributes(), httpOnly: true };
    return serialize(this.name(base), '', { ...attributes, maxAge: 0 });
  }

  /** The CSRF cookie, expired. */
  expiredCsrf(): string {
    return serialize(CSRF_COOKIE, '', { ...this.attributes(), maxAge: 0 });
  }

  private refreshAttributes(): SerializeOptions {
    return {
      ...this.attributes(this.config.cookies.sameSite === 'none' ? 'none' : 'strict'),
      httpOnly: true,
    };
  }
}

function maxAge(seconds: number | null): SerializeOptions {
  return seconds === null ? {} : { maxAge: seconds };
}
