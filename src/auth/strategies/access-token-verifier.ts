import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-jwt';
import { AppConfig } from '../../config/app-config.js';
import { Problem } from '../../http/problem.js';
import { PrivatePassport, judge } from '../passport.js';
import { AccessTokenClaims, AccessTokens } from './access-token.js';

interface PresentedToken {
  readonly token: string;
}

/** Verifies access tokens by passport-jwt: signature, issuer, audience, and a header and payload of exactly our making. */
@Injectable()
export class AccessTokenVerifier extends PassportStrategy(Strategy, 'jwt', 1) {
  // `declare`: PassportStrategy's constructor asks for the instance before fields of this class would be set.
  declare private passport: PrivatePassport | undefined;

  constructor(tokens: AccessTokens, config: AppConfig) {
    const options: unknown = {
      jwtFromRequest: ({ token }: PresentedToken) => token,
      secretOrKeyProvider: (
        _request: unknown,
        token: string,
        done: (error: unknown, key?: unknown) => void,
      ) => {
        tokens.keyFor(token).then((key) => done(key ? null : new Error('unknown key or header'), key), done);
      },
      algorithms: ['ES256', 'RS256', 'PS256'],
      // Whether key and algorithm fit is judged where the key is found, by our own record of it; here it would be read from the key
      // again for each token (10 us).
      jsonWebTokenOptions: { allowInvalidAsymmetricKeyTypes: true },
      issuer: config.jwt.issuer,
      audience: config.jwt.audience,
      // The strategy judges it by the database's clock, with the session.
      ignoreExpiration: true,
    };
    // The types know keys as text alone; jsonwebtoken would then parse the PEM on every call (264 us instead of 40).
    super(options as ConstructorParameters<typeof Strategy>[0]);
  }

  /** The claims of a token that we signed, expired or not; null for any other. @throws Problem when nobody can tell */
  async verify(token: string): Promise<AccessTokenClaims | null> {
    const outcome = await judge<AccessTokenClaims>(this, { token });
    if (outcome.user === null && outcome.info instanceof Problem) throw outcome.info;
    return outcome.user;
  }

  /** Called by passport-jwt with a payload whose signature, issuer and audience hold. */
  validate(payload: unknown): AccessTokenClaims | null {
    return AccessTokenClaims.safeParse(payload).data ?? null;
  }

  /** Called by PassportStrategy. */
  getPassportInstance(): PrivatePassport {
    return this.instance;
  }

  private get instance(): PrivatePassport {
    return (this.passport ??= new PrivatePassport());
  }
}
