import type { Values } from './schema.js';

/** Origins leave the default port out, so `PORT=80` gives `http://localhost`. */
export const publicOriginOf = ({ PUBLIC_ORIGIN, PORT }: Pick<Values, 'PUBLIC_ORIGIN' | 'PORT'>): string =>
  PUBLIC_ORIGIN ?? new URL(`http://localhost:${PORT}`).origin;

export const jwtAudience = (values: Pick<Values, 'JWT_AUDIENCE' | 'PUBLIC_ORIGIN' | 'PORT'>): string =>
  values.JWT_AUDIENCE ?? publicOriginOf(values);
