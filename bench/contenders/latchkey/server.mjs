// Latchkey as in production. BENCH_VARIANT: AUTH_MODE, and `:bypass` behind it where every request is to ask the database.
import { announce, settings } from '../shared/serve.mjs';
import { application } from './application.mjs';

const [mode, bypass] = settings.variant.split(':');
const app = await application(
  { databaseUrl: settings.databaseUrl, secret: settings.secret, mode },
  bypass ? { cache: 'off' } : {},
);
await app.listen(settings.port, '127.0.0.1');
announce(app.getHttpServer());
