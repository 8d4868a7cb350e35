import { setTimeout as delay } from 'node:timers/promises';
import { type Answer, TestClient } from '../../support/test-client.js';

/** How a client is made: a page that got a cookie, a page that got tokens, and a program that keeps its tokens itself. */
export const KINDS = [
  { name: 'cookie browser', strategy: 'session', origin: 'http://localhost:3000' },
  { name: 'refresh-cookie browser', strategy: 'jwt', origin: 'http://localhost:3000' },
  { name: 'body-refresh native', strategy: 'jwt', origin: undefined },
] as const;
export type Kind = (typeof KINDS)[number];

/** A client that is signed in once and then makes requests, one after the other, until it is told to stop. */
export class Traveller {
  private client: TestClient;
  private stopped = false;
  private running: Promise<void> = Promise.resolve();
  private sessionId: string | undefined;
  /** The strategy whose credential it shows. */
  holds: string;
  requests = 0;
  /** Whatever was no success, in words. */
  readonly complaints: string[] = [];

  constructor(
    readonly kind: Kind,
    url: string,
    email: string,
  ) {
    this.client = new TestClient(url, kind.origin === undefined ? {} : { origin: kind.origin });
    this.client.email = email;
    this.holds = kind.strategy;
  }

  async signIn(): Promise<void> {
    const answer = this.judge('login', await this.client.login({ strategy: this.kind.strategy }));
    this.sessionId = answer.body?.session?.id;
    // Whoever has not seen what was there before cannot see that it has changed.
    await this.lookAtConfig();
  }

  /** Begins to travel. @param pause milliseconds from a request to the next, on average */
  go(pause: number): void {
    this.running = (async () => {
      while (!this.stopped) {
        await delay(Math.random() * 2 * pause);
        try {
          await this.step();
          this.requests += 1;
        } catch (error) {
          const cause = error instanceof Error ? String(error.cause ?? '') : '';
          this.complaints.push(`${this.kind.name}: ${String(error)} ${cause}`);
        }
      }
    })();
  }

  /** Resolves when its last request has been answered. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  /** Stops, and says whether it is still the one that signed in. */
  async arrive(): Promise<boolean> {
    await this.stop();
    const { body } = this.judge('at the end', await this.client.get('/session'));
    return this.sessionId !== undefined && body?.sessionId === this.sessionId;
  }

  private async step(): Promise<void> {
    const dice = Math.random();
    if (dice < 0.35) await this.lookAtConfig();
    else if (dice < 0.5 && this.holds === 'jwt') await this.refresh();
    else if (dice < 0.6) {
      this.judge(
        'PATCH /auth/me',
        await this.client.send('PATCH', '/auth/me', { body: { name: 'on the way' } }),
      );
    } else {
      const { body } = this.judge('GET /session', await this.client.get('/session'));
      if (body.sessionId !== this.sessionId) this.complaints.push(`${this.kind.name}: another session`);
    }
  }

  /** What every client does: when another strategy is the primary than the one it holds, it asks for that one. */
  private async lookAtConfig(): Promise<void> {
    const { body } = this.judge('GET /auth/config', await this.client.get('/auth/config'));
    const { primary } = body;
    // Whoever asked for tokens where cookies are the primary keeps them, until that changes.
    if (this.seenPrimary !== undefined && primary !== this.seenPrimary && primary !== this.holds)
      await this.exchange(primary);
    this.seenPrimary = primary;
  }
  private seenPrimary: string | undefined;

  private async exchange(strategy: string): Promise<void> {
    const answer = this.judge(`exchange to ${strategy}`, await this.client.exchange(strategy));
    if (answer.status !== 200) return;
    this.client.accessToken = answer.body.accessToken;
    this.client.refreshToken = answer.body.refreshToken;
    this.holds = strategy;
  }

  private async refresh(): Promise<void> {
    this.judge('refresh', await this.client.refresh());
  }

  private judge(what: string, answer: Answer): Answer {
    if (answer.status >= 200 && answer.status < 300) return answer;
    const { code, detail } = answer.body ?? {};
    this.complaints.push(
      `${this.kind.name} holding ${this.holds}: ${what}: ${answer.status} ${code} ${detail ?? ''}`,
    );
    return answer;
  }
}
