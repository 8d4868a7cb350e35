import { durationText } from './duration.js';
import { rule, type Rule } from './rule.js';
import type { Values, VariableName } from './schema.js';
import { SECRET_ALLOWED } from './secret.js';
import { authModeAllowed } from './sections/auth.js';

const HOUR = 3600;

const required = (name: VariableName, allowed: string): Rule =>
  rule([name], (values) => (values[name] === undefined ? `is required in production; ${allowed}` : null));

const productionRules = (strategyNames: readonly string[]): readonly Rule[] => [
  required('AUTH_MODE', authModeAllowed(strategyNames)),
  required('APP_SECRET', `allowed: ${SECRET_ALLOWED}`),
  required('DATABASE_URL', 'allowed: postgres://user:password@host:5432/database'),
  required('PUBLIC_ORIGIN', 'allowed: the https origin that browsers see, such as https://auth.example.com'),
  {
    reads: ['APP_SECRET'],
    problems: ({ APP_SECRET }) =>
      (APP_SECRET?.weaknesses ?? []).map((weakness) => `${weakness}; allowed: ${SECRET_ALLOWED}`),
  },
  rule(['PUBLIC_ORIGIN'], ({ PUBLIC_ORIGIN }) =>
    PUBLIC_ORIGIN?.startsWith('http://') === true
      ? 'http is refused in production, because anyone on the way could read the credentials; allowed: https://...'
      : null,
  ),
  rule(['THROTTLE'], ({ THROTTLE }) =>
    THROTTLE === 'off'
      ? 'off is refused in production, because passwords could be guessed; allowed: on'
      : null,
  ),
  rule(['JWT_KEY_ROTATION'], ({ JWT_KEY_ROTATION }) =>
    // A key is published 15 minutes before it signs and stays until nothing it signed can be alive.
    JWT_KEY_ROTATION < HOUR
      ? `${durationText(JWT_KEY_ROTATION)} is too short in production; allowed: at least 1h`
      : null,
  ),
];

/** What production refuses on top; judged nowhere else. */
export const rulesOfProduction = (strategyNames: readonly string[]): readonly Rule[] =>
  productionRules(strategyNames).map(({ reads: [first, ...others], problems }) => ({
    reads: [first, ...others, 'NODE_ENV'],
    problems: (values: Values) => (values.NODE_ENV === 'production' ? problems(values) : []),
  }));
