import { z } from 'zod';
import { passwordShape } from '../passwords/password-shape.js';
import { emailField } from '../users/canonical-email.js';
import { nameField } from '../users/display-name.js';
import { UserOut } from '../users/user.schemas.js';

const remember = z
  .boolean()
  .describe('Keep me signed in: the longer limits, and cookies that outlive the browser');
const refreshTransport = z
  .enum(['cookie', 'body'])
  .describe(
    'Where the refresh token goes. A browser always gets the cookie, unless its origin may hold the token itself',
  )
  .meta({ 'x-strategies': ['jwt'] });
const refreshToken = z
  .string()
  .max(512)
  .meta({ 'x-strategies': ['jwt'] });

export const SignupIn = z
  .strictObject({
    email: emailField,
    password: passwordShape,
    name: nameField.nullable().optional(),
    remember: remember.optional(),
    refreshTransport: refreshTransport.optional(),
  })
  .meta({ id: 'SignupIn' });
export type SignupIn = z.infer<typeof SignupIn>;

export const LoginIn = z
  .strictObject({
    email: emailField,
    password: passwordShape,
    remember: remember.optional(),
    strategy: z
      .string()
      .max(64)
      .describe('One of the enabled strategies; the primary one unless given')
      .optional(),
    refreshTransport: refreshTransport.optional(),
  })
  .meta({ id: 'LoginIn' });
export type LoginIn = z.infer<typeof LoginIn>;

/** An optional body: logout takes a refresh token there from clients that hold one. */
export const LogoutIn = z
  .strictObject({ refreshToken: refreshToken.optional() })
  .optional()
  .meta({ id: 'LogoutIn' });

/** An optional body: the cookie will do. */
export const RefreshIn = z
  .strictObject({ refreshToken: refreshToken.optional(), refreshTransport: z.literal('cookie').optional() })
  .optional()
  .meta({ id: 'RefreshIn' });

export const ExchangeIn = z
  .strictObject({
    strategy: z.string().max(64).describe('An enabled strategy other than the one whose credential is shown'),
    refreshToken: refreshToken
      .describe('For clients that hold it themselves: out of jwt the access token alone does not suffice')
      .optional(),
    refreshTransport: z
      .literal('cookie')
      .meta({ 'x-strategies': ['jwt'] })
      .optional(),
  })
  .meta({ id: 'ExchangeIn' });
export type ExchangeIn = z.infer<typeof ExchangeIn>;

export const PasswordIn = z
  .strictObject({ currentPassword: passwordShape, newPassword: passwordShape })
  .meta({ id: 'PasswordIn' });
export type PasswordIn = z.infer<typeof PasswordIn>;

export const SignedInOut = z
  .object({
    user: UserOut,
    strategy: z.string().describe('The strategy whose credential this answer hands out'),
    session: z.object({
      id: z.uuid(),
      createdAt: z.iso.datetime(),
      expiresAt: z.iso.datetime().describe('The absolute end'),
      idleExpiresAt: z.iso.datetime().describe('The end unless something happens before'),
    }),
    csrfToken: z.string().describe('For X-CSRF-Token; whenever a cookie credential is set').optional(),
    accessToken: z
      .string()
      .meta({ 'x-strategies': ['bearer'] })
      .optional(),
    tokenType: z
      .string()
      .meta({ 'x-strategies': ['bearer'] })
      .optional(),
    expiresIn: z
      .int()
      .describe('Seconds until the access token expires')
      .meta({ 'x-strategies': ['bearer'] })
      .optional(),
    refreshToken: z
      .string()
      .describe('Never in an answer to a browser')
      .meta({ 'x-strategies': ['jwt'] })
      .optional(),
  })
  .meta({ id: 'SignedIn' });

export const ConfigOut = z
  .object({
    mode: z.array(z.string()).describe('The enabled strategies, the primary one first'),
    primary: z.string(),
    signup: z.boolean().describe('Whether anybody may sign up'),
    csrf: z.object({ cookie: z.string(), header: z.string() }),
    refresh: z.boolean().describe('Whether POST /auth/refresh is there'),
    password: z.object({ minLength: z.int(), maxLength: z.int() }),
  })
  .meta({ id: 'Config' });

export const CsrfOut = z.object({ csrfToken: z.string().nullable() }).meta({ id: 'Csrf' });
