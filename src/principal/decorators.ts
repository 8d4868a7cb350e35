import { type ExecutionContext, SetMetadata, applyDecorators, createParamDecorator } from '@nestjs/common';
import { ApiSecurity } from '../openapi/decorators.js';
import type { AuthenticatedRequest, Authentication } from './authentication.js';

/** Metadata keys that the guards read. */
export const PUBLIC = 'latchkey:public';
export const ROLES = 'latchkey:roles';
export const ACCEPTS = 'latchkey:accepts';
/** The route signs in, so CSRF applies to it although it needs no credential. */
export const SIGNS_IN = 'latchkey:signs-in';

/** The route answers a gateway about a request that was sent to it: CSRF is judged by that one's method. */
export const FORWARDED = 'latchkey:forwarded';

/** Opens a route or controller to requests without a credential. Everything else is closed. */
export const Public = () => applyDecorators(SetMetadata(PUBLIC, true), ApiSecurity({}));

/** Lets only callers through that have at least one of these roles; others get 403 `forbidden`. */
export const Roles = (...roles: [string, ...string[]]) => SetMetadata(ROLES, roles);

/**
 * Pins a route or controller to some strategies: `@Accepts('jwt')` takes bearer tokens only. The other strategies count as
 * not enabled there. A name that is not in `AUTH_MODE` accepts nothing: the route then answers 401.
 */
export const Accepts = (...strategies: [string, ...string[]]) => SetMetadata(ACCEPTS, strategies);

/** What the guard has found out. @throws Error on a route that is `@Public()`: there nobody was looked up */
export function authenticationOf({ authentication }: AuthenticatedRequest): Authentication {
  if (!authentication)
    throw new Error('@CurrentUser() and @CurrentPrincipal() need a route that is not @Public()');
  return authentication;
}

const authenticationIn = (context: ExecutionContext) =>
  authenticationOf(context.switchToHttp().getRequest<AuthenticatedRequest>());

/** The signed-in user: `{ id, email, name, roles, createdAt, updatedAt }`. */
export const CurrentUser = createParamDecorator(
  (_: unknown, context: ExecutionContext) => authenticationIn(context).user,
);

/** Who the request acts for: user id, session id, strategy, roles, factors. */
export const CurrentPrincipal = createParamDecorator(
  (_: unknown, context: ExecutionContext) => authenticationIn(context).principal,
);

/** The whole outcome of authentication: principal, user and the session with its limits. */
export const CurrentAuthentication = createParamDecorator((_: unknown, context: ExecutionContext) =>
  authenticationIn(context),
);
