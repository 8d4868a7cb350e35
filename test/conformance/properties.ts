/** What a strategy has to hold to, one row of the table each, and the tests that ask for it, by their titles. */
export const PROPERTIES: readonly (readonly [row: string, titles: RegExp])[] = [
  ['sign-in', /works at once, on this node and on another|costs one statement at most/],
  ['fixation', /SF02 fixation|SF03 a sign-in as somebody else/],
  ['logout', /logout: dead at once|SF09 logout takes back/],
  ['end-all', /ending all others, a password change, disabling and deleting/],
  ['roles', /a change of roles shows/],
  ['concurrency', /concurrency: /],
  ['expiry', /expiry: past/],
  ['absent against bad', /none is credential_missing, any other string/],
  ['two credentials', / in AUTH_MODE=/],
  ['not enabled', / where only \w+ is enabled /],
  ['public routes', /public routes never look a credential up/],
  ['CSRF', /CSRF is asked of/],
  ['outage', /while the database is away/],
  ['timing', /EN02 an unknown email/],
  ['no secret in the database', /SF12 the database holds nothing/],
  ['no secret in logs', /EL06 the log holds no password/],
  ['no cookie on a refusal', /CK13 no answer but a success/],
];

/** Rows that look back at what all the others did: alone they have nothing to look at. */
export const LOOKING_BACK: readonly string[] = [
  'no secret in the database',
  'no secret in logs',
  'no cookie on a refusal',
];

/** The row that a test belongs to, by its full name. */
export function propertyOf(name: string): string | undefined {
  return PROPERTIES.find(([, titles]) => titles.test(name))?.[0];
}
