import { JwtService } from '@nestjs/jwt';
import { PASSWORD } from '../shared/people.mjs';
import { finish, keepRequests, seeding } from '../shared/seeding.mjs';
import { seedUsers } from '../shared/seed-typeorm.mjs';

const jwt = new JwtService({ secret: seeding.secret, signOptions: { expiresIn: '1d' } });
const users = await seedUsers(async (_client, rows) => rows);

finish({
  me: keepRequests(
    'nest-passport-jwt-me',
    users.map(({ id, email, name }) => ({
      path: '/auth/me',
      headers: { Authorization: `Bearer ${jwt.sign({ sub: id, email, name })}` },
    })),
  ),
  login: keepRequests(
    'nest-passport-jwt-login',
    users.map(({ email }) => ({
      method: 'POST',
      path: '/auth/login',
      body: { email, password: PASSWORD },
    })),
  ),
});
