import { type CanonicalEmail, canonicalEmail } from '../users/canonical-email.js';
import type { UserAccount } from '../users/user-account.js';
import type { AccountsTools } from './accounts-context.js';
import { Refusal } from './refusal.js';

/** The canonical form of an email on the command line. @throws Refusal */
export function emailOf(text: string): CanonicalEmail {
  const email = canonicalEmail(text);
  if (email === null) throw new Refusal('that is no email address such as name@example.com');
  return email;
}

/** The user whom the command is about. @throws Refusal */
export async function userByEmail(
  { users }: Pick<AccountsTools, 'users'>,
  text: string,
): Promise<UserAccount> {
  const email = emailOf(text);
  const user = await users.findByEmail(email);
  if (!user) throw new Refusal(`there is no user ${email}`);
  return user;
}
