import { connect } from 'node:net';

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** Whether the server closed the connection. */
  readonly closed: boolean;
  /** All that came, further answers included. */
  readonly text: string;
}

const PATIENCE_MILLISECONDS = 3000;

/**
 * Sends bytes as they are, and reads until one answer is complete, or with `untilClosed` until the server closes the connection (for
 * 3 seconds at most).
 * @param parts Sent one after the other, 20 ms apart.
 */
export async function sendRaw(
  port: number,
  parts: string | Buffer | (string | Buffer)[],
  { untilClosed = false } = {},
): Promise<RawAnswer> {
  const list = [parts].flat();
  const hasBody = !String(list[0]).startsWith('HEAD ');
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  let text = '';
  let closed = false;
  const done = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, PATIENCE_MILLISECONDS);
    const finish = () => {
      clearTimeout(timer);
      resolve();
    };
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (!untilClosed && isComplete(text, hasBody)) finish();
    });
    socket.on('close', () => {
      closed = true;
      finish();
    });
  });
  for (const [i, part] of list.entries()) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    if (!socket.destroyed) socket.write(part);
  }
  await done;
  socket.destroy();
  return { ...parse(text), closed, text };
}

function isComplete(text: string, hasBody: boolean): boolean {
  if (!text.includes('\r\n\r\n')) return false;
  const { headers, body } = parse(text);
  return !hasBody || body.length >= Number(headers.get('content-length') ?? 0);
}

function parse(text: string) {
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(first.split(' ')[1] ?? 0), headers, body: text.slice(end + 4) };
}

/** A request with a Host header and whatever headers and body are given. */
export function request(line: string, headers: readonly string[] = [], body = ''): string {
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  return [`${line} HTTP/1.1`, 'Host: localhost', ...headers, ...length, '', body].join('\r\n');
}
