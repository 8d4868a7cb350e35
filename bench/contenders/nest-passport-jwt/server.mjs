// Nest with bearer tokens as its documentation has it: Express, passport-jwt, @nestjs/jwt with HS256 (docs.nestjs.com/recipes/passport).
// The documentation trusts the token's payload; BENCH_VARIANT=user loads the user in validate(), which sees an ended account.
import { Controller, Get, Module, Post, Req, UnauthorizedException, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { JwtModule, JwtService } from '@nestjs/jwt';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { getRepositoryToken, TypeOrmModule } from '@nestjs/typeorm';
import argon2 from 'argon2';
import { ExtractJwt, Strategy as Jwt } from 'passport-jwt';
import { Strategy as Local } from 'passport-local';
import { decorate, parameter } from '../shared/decorate.mjs';
import { announce, settings } from '../shared/serve.mjs';
import { typeOrmOptions, User } from '../shared/typeorm-user.mjs';

const USERS = getRepositoryToken(User);
const view = ({ id, email, name }) => ({ id, email, name });

const jwtStrategy = (users) =>
  new (class extends PassportStrategy(Jwt) {
    async validate({ sub, email, name }) {
      if (settings.variant !== 'user') return { id: sub, email, name };
      const user = await users.findOneBy({ id: sub });
      if (!user) throw new UnauthorizedException();
      return user;
    }
  })({
    jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
    ignoreExpiration: false,
    secretOrKey: settings.secret,
  });

const localStrategy = (users) =>
  new (class extends PassportStrategy(Local) {
    async validate(email, password) {
      const user = await users.findOneBy({ email });
      if (!user || !(await argon2.verify(user.passwordHash, password))) throw new UnauthorizedException();
      return user;
    }
  })({ usernameField: 'email' });

class AuthController {
  constructor(jwt) {
    this.jwt = jwt;
  }
  async login({ user: { id, email, name } }) {
    return { access_token: await this.jwt.signAsync({ sub: id, email, name }) };
  }
  me({ user }) {
    return view(user);
  }
}
decorate(AuthController, {
  decorators: [Controller('auth')],
  parameters: [JwtService],
  members: {
    login: [Post('login'), UseGuards(AuthGuard('local')), parameter(0, Req())],
    me: [Get('me'), UseGuards(AuthGuard('jwt')), parameter(0, Req())],
  },
});

class AppModule {}
decorate(AppModule, {
  decorators: [
    Module({
      imports: [
        TypeOrmModule.forRoot(typeOrmOptions()),
        TypeOrmModule.forFeature([User]),
        PassportModule,
        JwtModule.register({ secret: settings.secret, signOptions: { expiresIn: '1d' } }),
      ],
      controllers: [AuthController],
      providers: [
        { provide: 'jwt', useFactory: jwtStrategy, inject: [USERS] },
        { provide: 'local', useFactory: localStrategy, inject: [USERS] },
      ],
    }),
  ],
});

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
await app.listen(settings.port, '127.0.0.1');
announce(app.getHttpServer());
