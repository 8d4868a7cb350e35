import { SigningKey } from './keys/signing-key.entity.js';
import { Credential } from './sessions/credential.entity.js';
import { Session } from './sessions/session.entity.js';
import { User } from './users/user.entity.js';

/**
 * Every table's entity. It stands above the features because the data source needs all of them, while `database/`
 * may know none: whoever opens the database passes this list.
 */
export const ENTITIES = [User, Session, Credential, SigningKey];
