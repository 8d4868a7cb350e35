/** The id of a user: UUID version 7, lower case. */
export type UserId = string & { readonly __brand: 'UserId' };
/** The id of a login session (`sid`): UUID version 7, lower case. Never changes while the login lives. */
export type SessionId = string & { readonly __brand: 'SessionId' };

/** Whom a request acts for. The same whatever credential the client showed. */
export interface Principal {
  readonly userId: UserId;
  readonly sessionId: SessionId;
  /** The name of the strategy whose credential was accepted. */
  readonly strategy: string;
  readonly roles: readonly string[];
  /** What has been proven at sign-in, in order: `password` today. */
  readonly factors: readonly string[];
  readonly authenticatedAt: Date;
}
