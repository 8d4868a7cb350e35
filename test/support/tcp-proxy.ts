import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { Transform } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/** Where a proxy leads: a Unix socket, or a port. */
export type Target = { readonly path: string } | { readonly host: string; readonly port: number };

/** The two sockets of one connection through the proxy. */
interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

/**
 * A network between an application and its database that can be made worse: it delays, swallows everything without a word
 * (as a cable that is pulled, or a firewall that drops), cuts in the middle of an answer, and leads elsewhere.
 */
export class TcpProxy {
  private readonly pairs = new Set<Pair>();
  /** Those that were there while everything was swallowed. */
  private readonly dead = new WeakSet<Pair>();
  private swallowing = false;
  private delayMs = 0;
  /** Answers that still come through whole before one is cut; null: all of them. */
  private bytesUntilCut: number | null = null;
  /** How often a connection was cut in the middle of an answer. */
  cuts = 0;
  /** Connections that were asked for. */
  connections = 0;

  private constructor(
    private readonly server: Server,
    private target: Target,
  ) {}

  /** Listens on a free port, or on that one. */
  static async start(target: Target, host = '127.0.0.1', port = 0): Promise<TcpProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new TcpProxy(server, target);
    server.on('connection', (socket) => proxy.accept(socket));
    server.listen(port, host);
    await once(server, 'listening');
    return proxy;
  }

  /** Listens before the PostgreSQL of that URL. */
  static async before(url: string): Promise<TcpProxy> {
    const { hostname, port, searchParams } = parsed(url);
    const sockets = searchParams.get('host');
    return TcpProxy.start(
      sockets === null
        ? { host: hostname, port: Number(port || 5432) }
        : { path: `${sockets}/.s.PGSQL.5432` },
    );
  }

  /** That URL by way of this proxy. */
  through(url: string): string {
    const through = parsed(url);
    through.host = `127.0.0.1:${this.port}`;
    through.search = '?sslmode=disable';
    return through.href;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Connections that are open on the near side. */
  get open(): number {
    return this.pairs.size;
  }

  /** From now on new connections lead there; those that exist stay where they are. */
  leadTo(target: Target): void {
    this.target = target;
  }

  /** Nothing arrives any more, in either direction, on no connection; new ones are taken and lead nowhere. Nobody is told. */
  swallow(): void {
    this.swallowing = true;
    for (const pair of this.pairs) this.dead.add(pair);
  }

  /** New connections work again. Those that had been swallowed stay dead, without anybody being told. */
  heal(): void {
    this.swallowing = false;
  }

  /** Everything takes that much longer, each way. */
  slowDown(milliseconds: number): void {
    this.delayMs = milliseconds;
  }

  /** Resets each connection after it has passed on so many more bytes of answers, all connections counted together; null: none. */
  cutAfter(bytes: number | null): void {
    this.bytesUntilCut = bytes;
  }

  async close(): Promise<void> {
    this.server.close();
    for (const { near, far } of this.pairs) {
      near.destroy();
      far.destroy();
    }
    await once(this.server, 'close');
  }

  private accept(near: Socket): void {
    this.connections += 1;
    near.on('error', () => undefined);
    const far = connect(this.target);
    far.on('error', () => undefined);
    const pair = { near, far };
    this.pairs.add(pair);
    if (this.swallowing) this.dead.add(pair);
    const isDead = (): boolean => this.dead.has(pair);
    near.pipe(this.link(isDead)).pipe(far);
    far.pipe(this.link(isDead)).pipe(this.scissors(pair)).pipe(near);
    const end = (one: Socket, other: Socket) =>
      one.on('close', () => {
        this.pairs.delete(pair);
        if (!isDead() || one === near) other.destroy();
      });
    end(near, far);
    end(far, near);
  }

  /** One direction. */
  private link(isDead: () => boolean): Transform {
    return new Transform({
      transform: (chunk, _, pass) => {
        const arrive = () => (isDead() ? pass() : pass(null, chunk));
        if (this.delayMs > 0) void delay(this.delayMs).then(arrive);
        else arrive();
      },
    });
  }

  private scissors({ near, far }: Pair): Transform {
    return new Transform({
      transform: (chunk: Buffer, _, pass) => {
        if (this.bytesUntilCut === null || chunk.length <= this.bytesUntilCut) {
          if (this.bytesUntilCut !== null) this.bytesUntilCut -= chunk.length;
          return pass(null, chunk);
        }
        near.write(chunk.subarray(0, this.bytesUntilCut), () => {
          near.resetAndDestroy();
          far.destroy();
        });
        this.cuts += 1;
        this.bytesUntilCut = null;
        pass();
      },
    });
  }
}

/** That of a Unix socket has no host, which URL does not take. */
function parsed(url: string): URL {
  return new URL(url.replace('@/', '@socket/'));
}
