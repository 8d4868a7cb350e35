import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { answerInProgress } from './answer-in-progress.js';
import { MAX_URL } from './edge.js';
import { problemDocument, problemHeaders } from './problem-document.js';
import { PROBLEMS, Problem } from './problem.js';
import { newRequestId } from './request-id.js';
import type { HeaderMap } from './security-headers.js';

/** An error of Node's HTTP parser, or of its watch over slow clients. */
interface ConnectionError extends Error {
  readonly code?: string;
  /** What the parser was given when it failed. */
  readonly rawPacket?: unknown;
}

const REQUEST_LINE = /^[A-Z-]{3,20} (?:\/|https?:)/;
const BAD_EXPECTATION = new Problem('malformed_request', {
  detail: 'the only Expect that is met is 100-continue',
});
const BAD_PATH = new Problem('malformed_request', { detail: 'the path is not percent-encoded UTF-8' });
const NO_TUNNEL = new Problem('malformed_request', { detail: 'no proxy is here' });

/** Answers what Node's parser refuses, before there is a request: with the same documents and headers as everything else. */
export class ConnectionErrors {
  /** @param headers Those of every answer. */
  constructor(private readonly headers: HeaderMap) {}

  /** Node's `clientError`. */
  readonly onClientError = (error: ConnectionError, socket: Duplex): void => {
    // Another answer in the middle of one would be read as a part of it.
    const isAnswering = answerInProgress(socket)?.headersSent === true;
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswering) socket.destroy();
    else this.answer(problemFor(error), socket);
  };

  /** CONNECT, and an `Expect` of something else than 100-continue, never become requests either. */
  attachTo(server: Server): void {
    server.on('connect', (_request: IncomingMessage, socket: Duplex) => this.answer(NO_TUNNEL, socket));
    server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
      response.shouldKeepAlive = false;
      this.write(BAD_EXPECTATION, newRequestId(), response);
    });
  }

  /** A path that is not percent-encoded UTF-8: the router refuses it before any hook. */
  writeBadPath(requestId: string, response: ServerResponse): void {
    this.write(BAD_PATH, requestId, response);
  }

  private write(problem: Problem, requestId: string, response: ServerResponse): void {
    response.statusCode = PROBLEMS[problem.code].status;
    for (const [name, value] of Object.entries(this.headersFor(problem, requestId)))
      response.setHeader(name, value);
    response.end(problemDocument(problem, requestId));
  }

  private headersFor(problem: Problem, requestId: string): HeaderMap {
    return { ...this.headers, ...problemHeaders(problem), 'x-request-id': requestId };
  }

  private answer(problem: Problem, socket: Duplex): void {
    const id = newRequestId();
    const { status } = PROBLEMS[problem.code];
    const body = problemDocument(problem, id);
    const headers = {
      ...this.headersFor(problem, id),
      date: new Date().toUTCString(),
      connection: 'close',
      'content-length': String(Buffer.byteLength(body)),
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`, () =>
      socket.destroy(),
    );
  }
}

function problemFor(error: ConnectionError): Problem {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Problem(isRequestLineTooLong(error) ? 'uri_too_long' : 'headers_too_large');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new Problem('body_too_large');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem('request_timeout');
    default:
      return new Problem('malformed_request');
  }
}

/** Node counts the request line among the headers. Which of them overflowed shows in the packet that made it so. */
function isRequestLineTooLong(error: ConnectionError): boolean {
  const packet = error.rawPacket;
  if (!Buffer.isBuffer(packet)) return false;
  const line = packet.toString('latin1', 0, MAX_URL);
  return REQUEST_LINE.test(line) && !line.includes('\n');
}
