import { parse } from 'pg-connection-string';
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { settings } from './serve.mjs';
import { decorate } from './decorate.mjs';

/** The user of the tutorials. */
export class User {}
decorate(User, {
  decorators: [Entity('users')],
  members: {
    id: [PrimaryGeneratedColumn()],
    email: [Column('text', { unique: true })],
    name: [Column('text')],
    passwordHash: [Column('text')],
  },
});

/** What TypeOrmModule.forRoot is given. TypeORM's own `url` knows no Unix sockets. */
export function typeOrmOptions({ synchronize = false, databaseUrl = settings.databaseUrl } = {}) {
  const { host, port, user, password, database } = parse(databaseUrl);
  return {
    type: 'postgres',
    host,
    port: Number(port ?? 5432),
    username: user,
    password,
    database,
    entities: [User],
    synchronize,
  };
}
