import type pg from 'pg';
import { PASSWORD, newEmail } from '../../support/test-client.js';
import { type WireAnswer, cookiesOf, wire } from './wire.js';

const ORIGIN = 'http://localhost:3000';

/** A signup or login that was answered with 2xx. */
export interface Kept {
  readonly email: string;
  readonly sessionId: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What an answer hands out, as the headers that show it. */
export function credentialOf(answer: WireAnswer): Record<string, string> {
  const { body } = answer;
  if (body.accessToken !== undefined) return { authorization: `Bearer ${body.accessToken}` };
  return { cookie: cookiesOf(answer), origin: ORIGIN };
}

/**
 * Clients that sign up, sign in, ask and write, one thing after the other, whatever happens to the servers, and keep a record of
 * what they were promised. Every answer has to be one that the contract has for an outage, or the right one.
 */
export class Ledger {
  readonly kept: Kept[] = [];
  /** What was answered, by status; `gone` where the connection ended without an answer. */
  readonly statuses = new Map<number | 'gone', number>();
  /** Answers that no outage excuses. */
  readonly wrong: string[] = [];
  /** Answers in a row that were 2xx. */
  private streak = 0;
  private stopped = false;
  private readonly lanes: Promise<void>[];

  /** @param url where to send the next request */
  constructor(
    private readonly url: () => string,
    lanes: number,
  ) {
    this.lanes = Array.from({ length: lanes }, () => this.lane());
  }

  /** Whether that many answers in a row were 2xx. */
  isServed(answers = 10): boolean {
    return this.streak >= answers;
  }

  /** Counts {@link isServed} anew. */
  startOver(): void {
    this.streak = 0;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.lanes);
  }

  get summary(): string {
    return `${this.kept.length} signups and logins kept; ${[...this.statuses].map(([status, n]) => `${n} x ${status}`).join(', ')}`;
  }

  /** Emails and sessions that were promised with a 2xx and are not there, and rows that are there twice. */
  async lost(sql: pg.Pool): Promise<string[]> {
    const { rows } = await sql.query<{ email: string; n: number }>(
      'SELECT email, count(*)::int AS n FROM users WHERE email = ANY($1) GROUP BY email',
      [this.kept.map(({ email }) => email)],
    );
    const users = new Map(rows.map(({ email, n }) => [email, n]));
    const live = await sql.query<{ id: string }>(
      `SELECT id FROM sessions s WHERE ended_at IS NULL AND EXISTS (SELECT 1 FROM credentials WHERE session_id = s.id)`,
    );
    const sessions = new Set(live.rows.map(({ id }) => id));
    return this.kept
      .filter(({ email, sessionId }) => users.get(email) !== 1 || !sessions.has(sessionId))
      .map(({ email, sessionId }) => `${email} ${sessionId}`);
  }

  /** Credentials that were handed out with a 2xx and do not work, of at most so many of the newest. */
  async refused(newest = 100): Promise<string[]> {
    const refused: string[] = [];
    for (const { email, headers } of this.kept.slice(-newest)) {
      const { status } = await wire(this.url(), 'GET', '/auth/me', { headers });
      if (status !== 200) refused.push(`${email} ${status}`);
    }
    return refused;
  }

  private async lane(): Promise<void> {
    while (!this.stopped) {
      const email = newEmail();
      const body = { email, password: PASSWORD };
      const signup = await this.send('POST', '/auth/signup', [201], {}, body);
      if (signup?.status !== 201) continue;
      this.keep(email, signup);
      const login = await this.send('POST', '/auth/login', [200], {}, body);
      if (login?.status === 200) this.keep(email, login);
      const headers = credentialOf(signup);
      for (let i = 0; i < 4 && !this.stopped; i++) {
        await this.send('GET', '/auth/me', [200], headers);
        await this.send('PATCH', '/auth/me', [200], headers, { name: `Ann ${i}` });
      }
    }
  }

  private keep(email: string, answer: WireAnswer): void {
    this.kept.push({ email, sessionId: answer.body.session.id, headers: credentialOf(answer) });
  }

  private async send(
    method: string,
    path: string,
    right: readonly number[],
    headers: Readonly<Record<string, string>>,
    body?: unknown,
  ): Promise<WireAnswer | undefined> {
    const answer = await wire(this.url(), method, path, { headers, body }).catch(() => undefined);
    const status = answer?.status ?? 'gone';
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    const isRight = answer !== undefined && right.includes(answer.status);
    this.streak = isRight ? this.streak + 1 : 0;
    if (!answer || isRight) {
      // Nobody listens at the moment: a client that does not pause takes the processor from the node that starts.
      if (!answer) await new Promise((resolve) => setTimeout(resolve, 200));
      return answer;
    }
    const asPromised =
      answer.status === 503 && answer.setCookies.length === 0 && Number(answer.headers['retry-after']) > 0;
    if (!asPromised) this.wrong.push(`${method} ${path} ${answer.status} ${answer.text.slice(0, 200)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    return answer;
  }
}
