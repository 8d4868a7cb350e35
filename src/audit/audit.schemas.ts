import { z } from 'zod';

/** My newest security events. */
export const AuditOut = z
  .object({
    events: z.array(
      z.object({
        id: z.uuid(),
        type: z.string().describe('What happened: session_started, login_failed, password_changed, ...'),
        at: z.iso.datetime(),
        sessionId: z.uuid().nullable(),
        ip: z
          .string()
          .nullable()
          .describe('Null when it was done by somebody else, such as an administrator'),
        userAgent: z.string().nullable(),
        count: z.int().describe('How often within the minute that begins with it'),
        details: z
          .record(z.string(), z.unknown())
          .optional()
          .describe('What only this type has, such as the reason of an ending'),
      }),
    ),
  })
  .meta({ id: 'Audit' });
