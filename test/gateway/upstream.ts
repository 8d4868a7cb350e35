import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, jwtVerify } from 'jose';

/** What reached the application behind the gateway. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A service that knows nobody: it verifies `X-Auth-Token` by the JWKS, as docs/gateway.md tells it to, and trusts nothing else. */
export class Upstream {
  readonly received: Received[] = [];

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(settings: { jwks: string; issuer: string; audience: string }): Promise<Upstream> {
    const keys = createRemoteJWKSet(new URL(settings.jwks));
    const { issuer, audience } = settings;
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const { method = '', url = '', headers } = request;
      upstream.received.push({ method, url, headers, body });
      const token = String(headers['x-auth-token']);
      const expected = { typ: 'lk-fwd+jwt', issuer, audience, clockTolerance: 5 };
      const verified = await jwtVerify(token, keys, expected).catch(() => null);
      response.writeHead(verified ? 200 : 401, { 'content-type': 'application/json' });
      response.end(JSON.stringify(verified?.payload ?? { from: 'the application' }));
    };
    const server = createServer((request, response) => {
      answer(request, response).catch(() => response.destroy());
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const upstream = new Upstream(server, (server.address() as AddressInfo).port);
    return upstream;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
