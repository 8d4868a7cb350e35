import { type Socket, connect } from 'node:net';

/** One answer as it came over the wire. */
export interface WireAnswer {
  readonly status: number;
  /** Names in lower case; several lines of one name are several entries. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** From the first byte sent to the last one received. */
  readonly milliseconds: number;
}

/** How long an answer may take to count as one at all. Whether it was slow is judged elsewhere. */
const PATIENCE_MILLISECONDS = 10_000;
/** A server that closes while it is being written to may take its own answer along (TCP reset), and a kept connection may just end. */
const ATTEMPTS = 3;

/** A client that sends bytes as they are: `fetch` and `node:http` would refuse or repair most of what is tried here. */
export class Wire {
  private socket: Socket | null = null;

  constructor(private readonly port: number) {}

  /**
   * Sends one request and reads its answer, on the connection of the last one where that was kept.
   * @returns null when no whole answer came
   */
  async exchange(head: Buffer, body: Buffer): Promise<WireAnswer | null> {
    const isHead = head.toString('latin1', 0, 5) === 'HEAD ';
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const answer = await this.attempt(Buffer.concat([head, body]), isHead);
      if (answer !== null) return answer;
    }
    return null;
  }

  close(): void {
    this.socket?.resetAndDestroy();
    this.socket = null;
  }

  private async attempt(bytes: Buffer, isHead: boolean): Promise<WireAnswer | null> {
    const socket = (this.socket ??= open(this.port));
    const begun = performance.now();
    let text = '';
    const parsed = await new Promise<Parsed | null>((resolve) => {
      const finish = (result: Parsed | null): void => {
        clearTimeout(timer);
        socket.removeAllListeners('data').removeAllListeners('close');
        resolve(result);
      };
      const timer = setTimeout(() => finish(null), PATIENCE_MILLISECONDS);
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        const whole = parse(text, isHead, false);
        if (whole) finish(whole);
      });
      socket.once('close', () => finish(parse(text, isHead, true)));
      if (socket.destroyed) finish(null);
      else socket.write(bytes);
    });
    if (parsed === null || socket.destroyed || !parsed.isKept) this.close();
    return parsed && { ...parsed, milliseconds: performance.now() - begun };
  }
}

interface Parsed extends Omit<WireAnswer, 'milliseconds'> {
  readonly isKept: boolean;
}

function open(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  return socket;
}

/** An answer once it is complete, without the interim ones before it. */
function parse(text: string, isHead: boolean, isClosed: boolean): Parsed | null {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const status = Number(first.split(' ')[1] ?? 0);
  const rest = text.slice(end + 4);
  if (status < 200) return parse(rest, isHead, isClosed);
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const only = (name: string): string | undefined => headers.find(([other]) => other === name)?.[1];
  const isEmpty = isHead || status === 204 || status === 304;
  const length = isEmpty ? 0 : lengthOf(rest, only('content-length'), only('transfer-encoding'));
  if (length === null ? !isClosed : rest.length < length) return null;
  // Whole, with whatever came behind its end: there must not be anything, and whoever judges the body sees it.
  return { status, headers, body: rest, isKept: only('connection') !== 'close' && !isClosed };
}

/** Characters of the body; null when it ends with the connection. */
function lengthOf(rest: string, length: string | undefined, encoding: string | undefined): number | null {
  if (length !== undefined) return Number(length);
  if (encoding !== 'chunked') return null;
  return rest.endsWith('0\r\n\r\n') ? rest.length : Infinity;
}
