import { CookieJar } from './cookie-jar.js';

/** An answer with its body read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly setCookies: string[];
  readonly text: string;
  /** The parsed JSON body; `undefined` when there is none. */
  readonly body: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests look at it from outside
}

export interface RequestOptions {
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly raw?: string | Uint8Array;
  /** `undefined` takes a header off that would be sent. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** What a client is, besides what it holds. */
export interface ClientOptions {
  /** Makes it a page of that origin. */
  readonly origin?: string;
  readonly userAgent?: string;
  /** Where a proxy says that it is: for applications with `TRUST_PROXY`. */
  readonly address?: string;
}

export const PASSWORD = 'a quite unlikely phrase 1';

let serial = 0;

/** An address that no other test uses. */
export function newEmail(): string {
  serial += 1;
  return `user${serial}.${process.pid}.${Date.now().toString(36)}@example.com`;
}

/**
 * A client that works in every mode, as ours should: it keeps cookies and tokens, sends what it has, and adds the CSRF token.
 * By default it is not a browser (no Origin, no Sec-Fetch headers); `origin` makes it a page of that origin.
 */
export class TestClient {
  readonly jar = new CookieJar();
  accessToken: string | undefined;
  refreshToken: string | undefined;
  csrfToken: string | undefined;
  sessionId: string | undefined;
  email = newEmail();

  constructor(
    readonly url: string,
    private readonly options: ClientOptions = {},
  ) {}

  /** The headers that carry this client's credentials. */
  get credentials(): Record<string, string> {
    return {
      ...(this.jar.header && { cookie: this.jar.header }),
      ...(this.accessToken && { authorization: `Bearer ${this.accessToken}` }),
      ...(this.csrfToken && { 'x-csrf-token': this.csrfToken }),
    };
  }

  /** Sends a request with all credentials that the client holds, and keeps what comes back. */
  async send(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const { origin, userAgent = 'latchkey-tests', address } = this.options;
    const sent: Record<string, string | undefined> = {
      'user-agent': userAgent,
      ...this.credentials,
      ...(origin && { origin, 'sec-fetch-site': 'same-origin' }),
      ...(address && { 'x-forwarded-for': address }),
      ...(options.body !== undefined && { 'content-type': 'application/json' }),
      ...options.headers,
    };
    const headers = new Headers();
    for (const [name, value] of Object.entries(sent)) if (value !== undefined) headers.set(name, value);
    const response = await fetch(this.url + path, {
      method,
      headers,
      redirect: 'manual',
      ...((options.raw ?? options.body) !== undefined && {
        body: (options.raw as string) ?? JSON.stringify(options.body),
      }),
    });
    const text = await response.text();
    const setCookies = response.headers.getSetCookie();
    this.jar.take(setCookies);
    const json = /json/.test(response.headers.get('content-type') ?? '') && text !== '';
    return {
      status: response.status,
      headers: response.headers,
      setCookies,
      text,
      body: json ? JSON.parse(text) : undefined,
    };
  }

  get(path: string, options?: RequestOptions): Promise<Answer> {
    return this.send('GET', path, options);
  }

  post(path: string, body?: unknown, options: RequestOptions = {}): Promise<Answer> {
    return this.send('POST', path, { ...options, body });
  }

  async signup(fields: Record<string, unknown> = {}): Promise<Answer> {
    return this.keep(await this.post('/auth/signup', { email: this.email, password: PASSWORD, ...fields }));
  }

  async login(fields: Record<string, unknown> = {}): Promise<Answer> {
    return this.keep(await this.post('/auth/login', { email: this.email, password: PASSWORD, ...fields }));
  }

  /** Refreshes by what the client holds: the cookie, or the token in the body. */
  async refresh(fields: Record<string, unknown> = {}): Promise<Answer> {
    const token = this.refreshToken === undefined ? {} : { refreshToken: this.refreshToken };
    return this.keep(await this.post('/auth/refresh', { ...token, ...fields }));
  }

  /** Asks for the credential of another strategy; sends the refresh token along where the client holds it itself. */
  async exchange(strategy: string, fields: Record<string, unknown> = {}): Promise<Answer> {
    const token = this.refreshToken === undefined ? {} : { refreshToken: this.refreshToken };
    return this.keep(await this.post('/auth/exchange', { strategy, ...token, ...fields }));
  }

  logout(): Promise<Answer> {
    return this.post('/auth/logout');
  }

  me(): Promise<Answer> {
    return this.get('/auth/me');
  }

  /** Another client of the same user: a second device. */
  sibling(options: ClientOptions = this.options, url = this.url): TestClient {
    const sibling = new TestClient(url, options);
    sibling.email = this.email;
    return sibling;
  }

  /** A client of the same user that shows nothing but what an answer has handed out. */
  holding({ body, setCookies }: Answer, url = this.url): TestClient {
    const holder = this.sibling({}, url);
    holder.jar.take(setCookies);
    holder.keepBody(body);
    return holder;
  }

  /** The same client with the same credentials, for requests that must not change them: a copy that an attacker took. */
  copy(url = this.url): TestClient {
    const copy = this.sibling(this.options, url);
    for (const name of this.jar.names) copy.jar.set(name, this.jar.get(name) ?? '');
    copy.accessToken = this.accessToken;
    copy.refreshToken = this.refreshToken;
    copy.csrfToken = this.csrfToken;
    copy.sessionId = this.sessionId;
    return copy;
  }

  private keep(answer: Answer): Answer {
    if (answer.status >= 300 || answer.body === undefined) return answer;
    this.keepBody(answer.body);
    return answer;
  }

  private keepBody({ accessToken, refreshToken, csrfToken, session }: Answer['body']): void {
    this.accessToken = accessToken ?? this.accessToken;
    this.refreshToken = refreshToken ?? this.refreshToken;
    this.csrfToken = csrfToken ?? this.csrfToken;
    this.sessionId = session?.id ?? this.sessionId;
  }
}
