// The limit of the runtime: node:http alone.
import { createServer } from 'node:http';
import { announce, settings } from '../shared/serve.mjs';

const server = createServer((_request, response) => {
  const body = JSON.stringify({ hello: 'world' });
  response.writeHead(200, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
});
server.listen(settings.port, '127.0.0.1', () => announce(server));
