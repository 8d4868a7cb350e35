// Nest as most tutorials have it: Express, express-session with connect-pg-simple, passport-local, and the user loaded by TypeORM in
// deserializeUser (docs.nestjs.com/techniques/session, docs.nestjs.com/recipes/passport, the README of connect-pg-simple).
import {
  Controller,
  Get,
  Injectable,
  Module,
  Post,
  Req,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuthGuard, PassportModule, PassportSerializer, PassportStrategy } from '@nestjs/passport';
import { getRepositoryToken, TypeOrmModule } from '@nestjs/typeorm';
import argon2 from 'argon2';
import connectPgSimple from 'connect-pg-simple';
import session from 'express-session';
import passport from 'passport';
import { Strategy } from 'passport-local';
import pg from 'pg';
import { decorate, parameter } from '../shared/decorate.mjs';
import { announce, settings } from '../shared/serve.mjs';
import { typeOrmOptions, User } from '../shared/typeorm-user.mjs';

class UsersService {
  constructor(repository) {
    this.repository = repository;
  }
  findByEmail(email) {
    return this.repository.findOneBy({ email });
  }
  findById(id) {
    return this.repository.findOneBy({ id });
  }
}

class LocalStrategy extends PassportStrategy(Strategy) {
  constructor(users) {
    super({ usernameField: 'email' });
    this.users = users;
  }
  async validate(email, password) {
    const user = await this.users.findByEmail(email);
    if (!user || !(await argon2.verify(user.passwordHash, password))) throw new UnauthorizedException();
    return user;
  }
}
decorate(LocalStrategy, { decorators: [Injectable()], parameters: [UsersService] });

class SessionSerializer extends PassportSerializer {
  constructor(users) {
    super();
    this.users = users;
  }
  serializeUser(user, done) {
    done(null, user.id);
  }
  async deserializeUser(id, done) {
    try {
      done(null, await this.users.findById(id));
    } catch (error) {
      done(error);
    }
  }
}
decorate(SessionSerializer, { decorators: [Injectable()], parameters: [UsersService] });

class LocalAuthGuard extends AuthGuard('local') {
  async canActivate(context) {
    const result = await super.canActivate(context);
    await super.logIn(context.switchToHttp().getRequest());
    return result;
  }
}
decorate(LocalAuthGuard, { decorators: [Injectable()] });

class AuthenticatedGuard {
  canActivate(context) {
    if (!context.switchToHttp().getRequest().isAuthenticated()) throw new UnauthorizedException();
    return true;
  }
}
decorate(AuthenticatedGuard, { decorators: [Injectable()] });

class AuthController {
  login({ user }) {
    return view(user);
  }
  me({ user }) {
    return view(user);
  }
}
decorate(AuthController, {
  decorators: [Controller('auth')],
  members: {
    login: [Post('login'), UseGuards(LocalAuthGuard), parameter(0, Req())],
    me: [Get('me'), UseGuards(AuthenticatedGuard), parameter(0, Req())],
  },
});

const view = ({ id, email, name }) => ({ id, email, name });

class AppModule {}
decorate(AppModule, {
  decorators: [
    Module({
      imports: [
        TypeOrmModule.forRoot(typeOrmOptions()),
        TypeOrmModule.forFeature([User]),
        PassportModule.register({ session: true }),
      ],
      controllers: [AuthController],
      providers: [
        {
          provide: UsersService,
          useFactory: (repository) => new UsersService(repository),
          inject: [getRepositoryToken(User)],
        },
        LocalStrategy,
        SessionSerializer,
      ],
    }),
  ],
});

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
const PgSession = connectPgSimple(session);
app.use(
  session({
    store: new PgSession({ pool: new pg.Pool({ connectionString: settings.databaseUrl }) }),
    secret: settings.secret,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 30 * 24 * 60 * 60 * 1000 },
  }),
);
app.use(passport.initialize());
app.use(passport.session());
await app.listen(settings.port, '127.0.0.1');
announce(app.getHttpServer());
