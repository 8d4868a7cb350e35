import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A reverse proxy as companies have one in front: ends TLS, and sends each request to a port by its host or path.
 * @param {{ secure: boolean, route: (request: http.IncomingMessage) => number }} options
 * @returns {Promise<http.Server>} listening on a free port of 127.0.0.1
 */
export async function startFront({ secure, route }) {
  const forward = (request, response) => {
    const headers = {
      ...request.headers,
      'x-forwarded-for': request.socket.remoteAddress,
      'x-forwarded-proto': secure ? 'https' : 'http',
    };
    const onward = http.request(
      { host: '127.0.0.1', port: route(request), method: request.method, path: request.url, headers },
      (answer) => {
        response.writeHead(answer.statusCode, answer.statusMessage, answer.headersDistinct);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  };
  const server = secure ? https.createServer(certificate(), forward) : http.createServer(forward);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

let made;

/** A certificate that nobody vouches for: the browser is told to take any. Made once in each process. */
function certificate() {
  if (made) return made;
  const folder = mkdtempSync(join(tmpdir(), 'lk-certificate-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const options = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...options, '-subj', '/CN=test', '-keyout', key, '-out', cert], {
    stdio: 'pipe',
  });
  made = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(folder, { recursive: true });
  return made;
}
