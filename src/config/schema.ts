import { z } from 'zod';
import { authSection } from './sections/auth.js';
import { jwtSection } from './sections/jwt.js';
import { logSection } from './sections/log.js';
import { passwordSection } from './sections/passwords.js';
import { serverSection } from './sections/server.js';
import { sessionSection } from './sections/session.js';
import { storageSection } from './sections/storage.js';

/**
 * Every variable that Latchkey reads, from text to value. `.env.example` and `docs/configuration.md` are held to
 * its names, defaults and descriptions by a test.
 * @param strategyNames what AUTH_MODE may name
 */
export const environmentSchema = (strategyNames: readonly string[]) =>
  z.strictObject({
    ...serverSection,
    ...authSection(strategyNames),
    ...storageSection,
    ...sessionSection,
    ...jwtSection,
    ...passwordSection,
    ...logSection,
  });

/** The variables by name, each valid by itself. */
export type Values = z.output<ReturnType<typeof environmentSchema>>;

export type VariableName = keyof Values;
