import {
  Agent,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  createServer,
  request,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '../../support/processes.js';

/** A reverse proxy as small as it can be: each request goes to the next node. A request that fails is 502, and never tried again. */
export class RoundRobin {
  // Idle connections are given up before a node does so: a request on one that is just being closed would fail.
  private readonly agent = new Agent({ keepAlive: true, timeout: 20_000 });
  private readonly inFlight = new Map<string, number>();
  private nodes: readonly string[] = [];
  private next = 0;

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<RoundRobin> {
    const server = createServer({ keepAliveTimeout: 0 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new RoundRobin(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', (incoming, outgoing) => proxy.forward(incoming, outgoing));
    return proxy;
  }

  /** From here on requests go to these; resolves when the ones that went elsewhere have their answers. */
  async use(nodes: readonly string[]): Promise<void> {
    this.nodes = nodes;
    await eventually(
      () => [...this.inFlight].every(([node, count]) => nodes.includes(node) || count === 0),
      60_000,
    );
  }

  async close(): Promise<void> {
    this.agent.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const node = this.nodes[this.next++ % this.nodes.length] ?? '';
    this.count(node, 1);
    outgoing.once('close', () => this.count(node, -1));
    const { method, url, headers } = incoming;
    const { connection: _hop, ...rest } = headers;
    const forwarded = request(`${node}${url}`, { method, headers: rest, agent: this.agent }, (answer) => {
      const { connection: _own, ...kept } = answer.headers;
      outgoing.writeHead(answer.statusCode ?? 502, kept);
      answer.pipe(outgoing);
    });
    forwarded.on('error', (error) => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502).end(String(error));
    });
    incoming.pipe(forwarded);
  }

  private count(node: string, change: number): void {
    this.inFlight.set(node, (this.inFlight.get(node) ?? 0) + change);
  }
}
