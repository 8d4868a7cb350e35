// Latchkey as main.js starts it in production. BENCH_VARIANT: AUTH_MODE, and `:bypass` behind it where every request is to ask the database.
import { yieldToAnswers } from '../../../dist/src/passwords/thread-priority.js';
import { announce, settings } from '../shared/serve.mjs';
import { application } from './application.mjs';

const [mode, bypass] = settings.variant.split(':');
await yieldToAnswers();
const app = await application(
  { databaseUrl: settings.databaseUrl, secret: settings.secret, mode },
  bypass ? { cache: 'off' } : {},
);
await app.listen(settings.port, '127.0.0.1');
announce(app.getHttpServer());
