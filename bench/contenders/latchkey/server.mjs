// Latchkey as main.js starts it in production. BENCH_VARIANT: AUTH_MODE, and `:bypass` behind it where every request is to ask the database.
import { yieldToAnswers } from '../../../dist/src/passwords/thread-priority.js';
import { announce, settings } from '../shared/serve.mjs';
import { application, configuration } from './application.mjs';

const [mode, bypass] = settings.variant.split(':');
const variables = { databaseUrl: settings.databaseUrl, secret: settings.secret, mode };
await yieldToAnswers(configuration(variables).passwords.hashNice);
const app = await application(variables, bypass ? { cache: 'off' } : {});
await app.listen(settings.port, '127.0.0.1');
announce(app.getHttpServer());
