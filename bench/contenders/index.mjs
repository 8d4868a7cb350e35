import { fileURLToPath } from 'node:url';

const script = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Who is measured. `family`: who shares a database, filled by its `seed.mjs`; `me`: which of the files that it made holds the requests of
 * GET /me; `one`: how many requests of it are one client's; `variant`: told to the server; `greeting`: a plain route, no sign-in at all;
 * `login`: by what it hashes passwords, where its login is measured.
 */
export const CONTENDERS = [
  {
    id: 'node-http',
    label: 'node:http',
    detail: 'createServer, {hello}',
    group: 'limit',
    family: null,
    greeting: true,
  },
  {
    id: 'nest-fastify',
    label: 'Nest on Fastify, bare',
    detail: 'one open route, {hello}',
    group: 'limit',
    family: null,
    greeting: true,
  },
  {
    id: 'nest-express-session',
    label: 'Nest on Express + express-session',
    detail: 'connect-pg-simple, passport-local, TypeORM',
    group: 'peer',
    family: 'nest-express-session',
    me: 'me',
    login: 'argon2',
    loginStatus: 201,
  },
  {
    id: 'nest-passport-jwt',
    label: 'Nest + passport-jwt, token only',
    detail: 'Express, no look at the database',
    group: 'peer',
    family: 'nest-passport-jwt',
    me: 'me',
    login: 'argon2',
    loginStatus: 201,
  },
  {
    id: 'nest-passport-jwt-user',
    label: 'Nest + passport-jwt + user SELECT',
    detail: 'Express, TypeORM',
    group: 'peer',
    family: 'nest-passport-jwt',
    variant: 'user',
    me: 'me',
  },
  {
    id: 'better-auth-session',
    label: 'better-auth, session',
    detail: 'Fastify, pg adapter',
    group: 'peer',
    family: 'better-auth',
    variant: 'session',
    me: 'session',
    login: 'scrypt',
  },
  {
    id: 'better-auth-cookie-cache',
    label: 'better-auth, cookie cache',
    detail: 'Fastify, pg adapter',
    group: 'peer',
    family: 'better-auth',
    variant: 'cookie-cache',
    me: 'cookie-cache',
  },
  {
    id: 'better-auth-bearer',
    label: 'better-auth, bearer plugin',
    detail: 'Fastify, pg adapter',
    group: 'peer',
    family: 'better-auth',
    variant: 'bearer',
    me: 'bearer',
  },
  ...['session', 'jwt', 'session,jwt'].flatMap((mode) => {
    const id = `latchkey-${mode === 'session,jwt' ? 'both' : mode}`;
    const common = {
      group: 'latchkey',
      family: 'latchkey',
      me: mode,
      mode,
      // With both modes on, a cookie and a token of one session take turns.
      one: mode === 'session,jwt' ? 2 : 1,
    };
    return [
      {
        ...common,
        id,
        label: `Latchkey, ${mode}`,
        variant: mode,
        login: 'argon2',
        refresh: mode !== 'session',
      },
      {
        ...common,
        id: `${id}-bypassed`,
        label: `Latchkey, ${mode}, cache bypassed`,
        variant: `${mode}:bypass`,
        bypassed: true,
      },
    ];
  }),
].map((contender) => ({
  one: 1,
  loginStatus: 200,
  ...contender,
  script: script(`${contender.family ?? contender.id}/server.mjs`),
}));

/** The script that fills a family's database. */
export const seedScript = (family) => script(`${family}/seed.mjs`);
export const HASH_CEILING = script('latchkey/hash-ceiling.mjs');
/** Latchkey's own way in. */
export const LATCHKEY_MAIN = script('../../dist/src/main.js');
