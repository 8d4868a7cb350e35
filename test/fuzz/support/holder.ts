import type { FastifyReply, FastifyRequest } from 'fastify';
import { argon2id, hash } from 'argon2';
import { EnabledStrategies } from '../../../src/auth/enabled-strategies.js';
import { HttpExchange } from '../../../src/auth/http-exchange.js';
import { Database } from '../../../src/database/database.js';
import type { UserId } from '../../../src/principal/principal.js';
import { CsrfTokens } from '../../../src/security/csrf-tokens.js';
import { SessionsService } from '../../../src/sessions/sessions.service.js';
import { UsersService } from '../../../src/users/users.service.js';
import { parseSetCookie } from '../../support/cookie-jar.js';
import type { TestApp } from '../../support/test-app.js';
import { PASSWORD, newEmail } from '../../support/test-client.js';

/**
 * What an input may name without knowing it, by the name that stands for it: `⟨access⟩`. Values exist only when it is sent, so that
 * inputs depend on the seed alone.
 */
export type Known =
  | 'access'
  | 'refresh'
  | 'sid'
  | 'csrf'
  | 'session'
  | 'user'
  | 'email'
  | 'password'
  | 'stranger'
  | 'strangerEmail';

/** Cheap to verify, so that thousands of wrong passwords cost no minutes; a right one is hashed anew, by the rules. */
const CHEAP = { type: argon2id, memoryCost: 64, timeCost: 2, parallelism: 1 } as const;

/** A user with a live session and every credential of it that the mode has; and a stranger, to be found, disabled and signed in as. */
export class Holder {
  private values: Partial<Record<Known, string>> = {};
  /** `gone`: there is none, or its credentials are not the ones of {@link values} any more. */
  private state: 'good' | 'doubtful' | 'gone' = 'gone';

  private constructor(
    private readonly app: TestApp,
    private readonly userId: UserId,
    private readonly constants: Partial<Record<Known, string>>,
    private readonly passwordHash: string,
  ) {}

  /** @param roles besides `user` */
  static async create(app: TestApp, roles: readonly string[]): Promise<Holder> {
    const passwordHash = await hash(PASSWORD, CHEAP);
    const nobodyKnows = await hash(`${Math.random()} ${PASSWORD}`, CHEAP);
    const [email, strangerEmail] = [newEmail(), newEmail()];
    const users = app.get(UsersService);
    const database = app.get(Database);
    const own = await database.transaction((tx) =>
      users.create(tx, { email, name: null, passwordHash, roles: ['user', ...roles] }),
    );
    const stranger = await database.transaction((tx) =>
      users.create(tx, { email: strangerEmail, name: null, passwordHash: nobodyKnows }),
    );
    const constants = { user: own.id, email, password: PASSWORD, stranger: stranger.id, strangerEmail };
    return new Holder(app, own.id, constants, passwordHash);
  }

  /** Something has been changed: the next input gets another session. */
  changed(): void {
    this.state = 'gone';
  }

  /** Something was refused: the next input gets another session if this one is over. */
  refused(): void {
    if (this.state === 'good') this.state = 'doubtful';
  }

  /** What the names stand for now. Names that the mode has nothing for are missing. */
  async known(): Promise<Partial<Record<Known, string>>> {
    if (this.state === 'gone' || (this.state === 'doubtful' && (await this.isOver())))
      this.values = { ...this.constants, ...(await this.signIn()) };
    this.state = 'good';
    return this.values;
  }

  private async isOver(): Promise<boolean> {
    const live = 'SELECT id FROM sessions WHERE id = $1 AND ended_at IS NULL';
    return (await this.app.rows(live, [this.values.session])).length === 0;
  }

  /** Without the hash that a login costs, by the application's own services. */
  private async signIn(): Promise<Partial<Record<Known, string>>> {
    await this.app.rows('UPDATE users SET password_hash = $2 WHERE id = $1 AND password_hash <> $2', [
      this.userId,
      this.passwordHash,
    ]);
    const record = await this.app.get(Database).transaction((tx) =>
      this.app.get(SessionsService).start(tx, {
        userId: this.userId,
        factors: ['password'],
        remember: false,
        replaces: [],
        address: '127.0.0.1',
        userAgent: 'fuzz',
      }),
    );
    const cookies: string[] = [];
    const request = { headers: {}, body: {} } as unknown as FastifyRequest;
    const reply = { header: (_: string, line: string) => void cookies.push(line) } as unknown as FastifyReply;
    const exchange = new HttpExchange(request, reply);
    let body: { accessToken?: string; refreshToken?: string } = {};
    for (const strategy of this.app.get(EnabledStrategies).all)
      body = { ...body, ...(await strategy.issue(record, exchange)) };
    const sid = cookies.map(parseSetCookie).find(({ name }) => name === 'sid')?.value;
    return {
      session: record.id,
      csrf: this.app.get(CsrfTokens).issue(record.id),
      ...(body.accessToken && { access: body.accessToken }),
      ...(body.refreshToken && { refresh: body.refreshToken }),
      ...(sid && { sid }),
    };
  }
}
