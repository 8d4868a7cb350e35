// better-auth behind Fastify, the faster of the two frameworks that it has a guide for (better-auth.com/docs/integrations/fastify).
import { fromNodeHeaders } from 'better-auth/node';
import Fastify from 'fastify';
import { announce, settings } from '../shared/serve.mjs';
import { createAuth } from './auth.mjs';

const auth = createAuth(settings);
const app = Fastify();

app.route({
  method: ['GET', 'POST'],
  url: '/api/auth/*',
  async handler(request, reply) {
    const response = await auth.handler(
      new globalThis.Request(new URL(request.url, `http://${request.headers.host}`), {
        method: request.method,
        headers: fromNodeHeaders(request.headers),
        ...(request.body && { body: JSON.stringify(request.body) }),
      }),
    );
    reply.status(response.status);
    response.headers.forEach((value, key) => reply.header(key, value));
    return reply.send(response.body ? await response.text() : null);
  },
});

app.get('/me', async (request, reply) => {
  const session = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) });
  return session ? session.user : reply.code(401).send({ error: 'Unauthorized' });
});

await app.listen({ port: settings.port, host: '127.0.0.1' });
announce(app.server);
