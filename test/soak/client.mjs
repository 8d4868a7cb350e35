import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { ORIGIN } from '../../bench/contenders/latchkey/environment.mjs';
import { PASSWORD } from '../../bench/contenders/shared/people.mjs';
import { HttpConnection, requestBytes } from '../../bench/lib/http-connection.mjs';
import { MALFORMED, draw } from './mix.mjs';

/** What becomes of the requests of all clients. */
export class Tally {
  answers = 0;
  /** Milliseconds, since the last {@link begin}. */
  latencies = [];
  /** How often each kind of request was made. */
  kinds = {};
  /** What was not as expected: how often, by kind and answer. */
  unexpected = {};

  /** Forgets how long things took, and what was not as expected while nothing was judged. */
  begin() {
    this.latencies = [];
  }

  note(kind, milliseconds) {
    this.answers += 1;
    this.latencies.push(milliseconds);
    this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
  }

  complain(kind, what) {
    const name = `${kind}: ${what}`;
    this.unexpected[name] = (this.unexpected[name] ?? 0) + 1;
  }
}

/**
 * Somebody who signs up once and then comes and goes: one request at a time on one connection, with a cookie or with tokens. It knows
 * what each answer has to be, so that a 401 for a credential that is good is seen.
 */
export class Client {
  #connection;
  #tally;
  #strategy;
  #email = null;
  /** `{ cookie }` or `{ accessToken, refreshToken }` while signed in. */
  #holds = null;

  constructor(port, tally, strategy) {
    this.port = port;
    this.#connection = new HttpConnection(port);
    this.#tally = tally;
    this.#strategy = strategy;
  }

  /** Makes the request that comes next. Never throws: what goes wrong is in the tally. */
  async step() {
    const kind = this.#holds === null ? this.#wayIn() : draw();
    const begin = performance.now();
    try {
      await this.#KINDS[kind](kind);
    } catch (error) {
      this.#tally.complain(kind, error.message);
      this.#holds = null;
    }
    this.#tally.note(kind, performance.now() - begin);
  }

  close() {
    this.#connection.close();
  }

  #wayIn() {
    return this.#email === null || Math.random() < 0.25 ? 'signup' : 'login';
  }

  #KINDS = {
    signup: async (kind) => {
      this.#email = `${randomUUID()}@soak.example`;
      const body = { email: this.#email, password: PASSWORD };
      this.#keep(await this.#ask(kind, 201, { method: 'POST', path: '/auth/signup', body }));
    },
    login: async (kind) => {
      const body = { email: this.#email, password: PASSWORD, strategy: this.#strategy };
      this.#keep(await this.#ask(kind, 200, { method: 'POST', path: '/auth/login', body }));
    },
    me: (kind) => this.#ask(kind, 200, { path: '/auth/me', headers: this.#credential }),
    devices: (kind) => this.#ask(kind, 200, { path: '/auth/sessions', headers: this.#credential }),
    refresh: async (kind) => {
      const { refreshToken } = this.#holds;
      if (refreshToken === undefined)
        return void (await this.#ask('session', 200, { path: '/session', headers: this.#credential }));
      const body = { refreshToken };
      this.#keep(await this.#ask(kind, 200, { method: 'POST', path: '/auth/refresh', body }));
    },
    logout: async (kind) => {
      const headers = { ...this.#credential, ...(this.#holds.cookie && { Origin: ORIGIN }) };
      await this.#ask(kind, 204, { method: 'POST', path: '/auth/logout', headers });
      this.#holds = null;
    },
    'wrong password': (kind) => {
      const email = Math.random() < 0.5 ? this.#email : `${randomUUID()}@soak.example`;
      const body = { email, password: `${PASSWORD} or not` };
      return this.#ask(kind, 401, { method: 'POST', path: '/auth/login', body });
    },
    'unknown path': (kind) => this.#ask(kind, 404, { path: `/${randomUUID()}`, headers: this.#credential }),
    malformed: (kind) => {
      const { expect, ...request } = MALFORMED[Math.floor(Math.random() * MALFORMED.length)];
      return this.#ask(kind, expect, request);
    },
  };

  get #credential() {
    const { cookie, accessToken } = this.#holds;
    return cookie ? { Cookie: cookie } : { Authorization: `Bearer ${accessToken}` };
  }

  /** @returns the answer as text. What was not expected is in the tally, and signs the client out. */
  async #ask(kind, expected, request) {
    const [status, text] = await new Promise((resolve, reject) => {
      const bytes = request.raw ? rawBytes(request, this.port) : requestBytes(request, this.port);
      this.#connection.send(bytes, (...answer) => resolve(answer), reject);
    });
    if (/\r\nconnection: close\r\n/i.test(text)) this.#connection.close();
    if (status === expected) return text;
    throw new Error(`${status} ${/"code":"(\w+)"/.exec(text)?.[1] ?? ''} instead of ${expected}`);
  }

  #keep(text) {
    const cookie = /\r\nset-cookie: (__Host-sid=[^;\r]+)/i.exec(text)?.[1];
    const { accessToken, refreshToken } = JSON.parse(text.slice(text.indexOf('\r\n\r\n')));
    if (cookie !== undefined) this.#holds = { cookie };
    else if (accessToken && refreshToken) this.#holds = { accessToken, refreshToken };
    else throw new Error('an answer without a credential');
  }
}

/** A body that is sent as it is. */
function rawBytes({ method, path, type, raw }, port) {
  const head = [
    `${method} ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(raw)}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${raw}`);
}
