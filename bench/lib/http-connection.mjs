import { connect } from 'node:net';

const CRLF = '\r\n';
const HEAD_END = `${CRLF}${CRLF}`;
const CHUNKED_END = `${CRLF}0${HEAD_END}`;

/** The bytes of one HTTP/1.1 request, made once and sent as often as needed. */
export function requestBytes({ method = 'GET', path, headers = {}, body }, port) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'User-Agent: latchkey-bench',
    'Accept: application/json',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  if (body !== undefined) {
    lines.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(text)}`);
  }
  return Buffer.from(lines.join(CRLF) + HEAD_END + text);
}

/**
 * One keep-alive connection with one request at a time. It reads as much of an answer as a client must (status, length, end), so
 * that the load takes less of its core than the server of its own. autocannon took 1.3 to 2.5 times as much for each request, which
 * would have made it the limit of the fastest, and keeps latencies in whole milliseconds.
 */
export class HttpConnection {
  #socket = null;
  #received = '';
  #answered = null;
  #failed = null;

  constructor(port) {
    this.port = port;
  }

  /** Sends a request; `answered(status)` or `failed(error)` is called when it is over. Opens the connection where it is not open. */
  send(bytes, answered, failed) {
    this.#answered = answered;
    this.#failed = failed;
    this.#socket ??= this.#open();
    this.#socket.write(bytes);
  }

  /** As {@link send}, as a promise. */
  request(bytes) {
    return new Promise((resolve, reject) => this.send(bytes, resolve, reject));
  }

  close() {
    this.#answered = this.#failed = null;
    this.#socket?.destroy();
    this.#socket = null;
  }

  #open() {
    const socket = connect(this.port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (text) => this.#receive(text));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#received = '';
      this.#failed?.(new Error('the server closed the connection without an answer'));
    });
    return socket;
  }

  #receive(text) {
    if (this.#received !== '') text = this.#received + text;
    if (!isComplete(text)) {
      this.#received = text;
      return;
    }
    this.#received = '';
    const answered = this.#answered;
    this.#answered = this.#failed = null;
    answered?.(Number(text.slice(9, 12)), text);
  }
}

function isComplete(text) {
  const headEnd = text.indexOf(HEAD_END);
  if (headEnd < 0) return false;
  const head = text.slice(0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length) return text.length >= headEnd + HEAD_END.length + Number(length[1]);
  return /\r\ntransfer-encoding: *chunked/i.test(head) ? text.endsWith(CHUNKED_END) : true;
}
