import { SetMetadata, applyDecorators } from '@nestjs/common';
import { ApiSecurity } from '../openapi/decorators.js';
import { FORWARDED, Public, SIGNS_IN } from '../principal/decorators.js';

/** Metadata: which credential a route is about, where it is not the ordinary one. */
export const CREDENTIAL_RULE = 'latchkey:credential-rule';

/** `any`: the refresh credential will do too (logout). `refresh`: that one alone. */
export type CredentialRule = 'any' | 'refresh';

/** The route takes any live credential of a session, and takes the credentials back from the client: logout. */
export const AcceptsAnyCredential = () => SetMetadata(CREDENTIAL_RULE, 'any' satisfies CredentialRule);

/** The route takes the refresh credential, which OpenAPI knows as a field of the body or a cookie. */
export const AcceptsRefreshCredential = () =>
  applyDecorators(SetMetadata(CREDENTIAL_RULE, 'refresh' satisfies CredentialRule), ApiSecurity({}));

/** The route needs no credential and hands one out: public, but no page of a foreign origin may call it. */
export const SignsIn = () => applyDecorators(Public(), SetMetadata(SIGNS_IN, true));

/** The route answers a gateway about a request that was sent to it: CSRF is judged by the method of that one. */
export const AnswersGateways = () => SetMetadata(FORWARDED, true);
