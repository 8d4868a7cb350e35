import { z } from 'zod';
import { LoginIn } from './auth.schemas.js';

/** As login; a form has text alone, so `remember` may also be written as `true`, `on` or `1` (and their opposites). */
export const SessionLoginIn = LoginIn.extend({
  remember: z
    .union([
      z.boolean(),
      z.enum(['true', 'on', '1']).transform(() => true),
      z.enum(['false', 'off', '0', '']).transform(() => false),
    ])
    .optional(),
  // The answer of this route has no place for a refresh token, so there is no asking for it in the body.
  refreshTransport: z
    .literal('cookie')
    .meta({ 'x-strategies': ['jwt'] })
    .optional(),
}).meta({ id: 'SessionLoginIn' });
export type SessionLoginIn = z.infer<typeof SessionLoginIn>;

export const SessionResourceOut = z
  .object({
    email: z.string(),
    name: z.string().nullable(),
    roles: z.array(z.string()),
    userId: z.uuid(),
    sessionId: z.uuid(),
    strategy: z.string(),
    expiresAt: z.iso.datetime().describe('The absolute end'),
    sessionTimeout: z.int().describe('Unix seconds: the nearer of idle and absolute end'),
    csrfToken: z.string().describe('With POST, when a session cookie is set').optional(),
    token: z
      .string()
      .describe('With POST: the access token')
      .meta({ 'x-strategies': ['bearer'] })
      .optional(),
    expiresIn: z
      .int()
      .describe('Seconds until the access token expires')
      .meta({ 'x-strategies': ['bearer'] })
      .optional(),
  })
  .meta({ id: 'SessionResource' });

export const SessionGoneOut = z.object({}).meta({ id: 'SessionGone' });
