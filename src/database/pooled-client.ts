import pg from 'pg';
import { KnownStatements, PooledQuery, SentStatement } from './pooled-query.js';
import { StatementLimits } from './statement-limits.js';

/** How long one statement may take before its connection is given up. */
export const STATEMENT_LIMIT_MS = 2_000;
/** How long a connection may take to say goodbye: a frozen server never does. */
const GOODBYE_LIMIT_MS = 1_000;

/** A statement got no answer in time. Whether the server carried it out is not known. */
export class StatementTimeout extends Error {
  readonly code = 'STATEMENT_TIMEOUT';

  /** @param isSilence it had its full time: the server, whose own limit is shorter, would have answered if it could */
  constructor(readonly isSilence = false) {
    super('the database did not answer in time');
  }
}

/**
 * A connection that does not outlive a statement without an answer. `pg` alone rejects the statement and keeps the
 * connection, and TypeORM puts it back into the pool, where the late answer is taken for that of the next statement.
 * Destroying the socket at once makes pg fail whatever else waits on it, and the pool forget the connection.
 */
export class PooledClient extends pg.Client {
  /** When the unit of work that holds this connection has used up its time (`performance.now()`). */
  deadline = Infinity;
  /** What the server says it did last: `COMMIT`, `ROLLBACK`, `UPDATE`, ... */
  lastCommand = '';
  /** Why the connection is gone; null while it is not. */
  lost: Error | null = null;
  readonly #known: KnownStatements;
  readonly #limits = new StatementLimits();
  readonly #held: SentStatement[] = [];

  constructor(config: pg.ClientConfig) {
    // A statement does not wait for the answer to the one before it: whoever needs that answer does.
    super({ ...config, pipeline: true });
    // Without a listener at every moment, a server that restarts ends this process.
    this.on('error', (error) => (this.lost ??= error));
    this.#known = new KnownStatements(this.connection);
    /* eslint-disable @typescript-eslint/unbound-method -- the proxies hand `this` on */
    this.query = observed(this.query, {
      before: () => this.sendHeld(),
      after: (answer) => {
        // Callbacks are for the pool's own use, with limits of its own.
        if (answer instanceof Promise) answer.finally(this.#limitStatement()).catch(() => undefined);
      },
    });
    this.end = observed(this.end, { after: () => this.#limitGoodbye() });
    /* eslint-enable @typescript-eslint/unbound-method */
  }

  /** The rows of one statement. It takes along what is held. @param name under which the server keeps its plan */
  async rows<R>(text: string, values: readonly unknown[] = [], name?: string): Promise<R[]> {
    const statement = new SentStatement(text, values, name);
    this.#held.push(statement);
    this.sendHeld();
    return this.#answerTo<R>(statement);
  }

  /**
   * A statement that goes to the server with the next one, which is skipped when this one fails: for transactions alone. Where none comes
   * in this turn of the event loop, it goes by itself.
   */
  async held<R>(text: string, values: readonly unknown[] = [], name?: string): Promise<R[]> {
    const statement = new SentStatement(text, values, name);
    if (this.#held.length === 0) setImmediate(() => this.sendHeld());
    this.#held.push(statement);
    return this.#answerTo<R>(statement);
  }

  /** Whether something is held. */
  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** Sends what is held by itself: what comes after it is not skipped when it fails. */
  sendHeld(): void {
    if (this.#held.length === 0) return;
    const statements = this.#held.splice(0);
    super.query(new PooledQuery(statements, this.#known, this.#limitStatement()));
  }

  /** Closes the socket without a goodbye: the server rolls back, nobody gets this connection again. */
  discard(reason: Error): void {
    this.lost ??= reason;
    if (this.connection.stream.destroyed) return;
    this.connection.stream.destroy(reason);
    void this.end(); // marks it at once as ending: the pool could lend it out before the socket's error event
  }

  async #answerTo<R>(statement: SentStatement): Promise<R[]> {
    try {
      const rows = await statement.answer;
      this.lastCommand = statement.command;
      return rows as R[];
    } catch (error) {
      // Where it came from, in place of pg's way to the socket.
      if (error instanceof Error) Error.captureStackTrace(error);
      throw error;
    }
  }

  /** @returns what to call when the statement is answered */
  #limitStatement(): () => void {
    const milliseconds = Math.max(0, Math.min(STATEMENT_LIMIT_MS, this.deadline - performance.now()));
    const isFull = milliseconds === STATEMENT_LIMIT_MS;
    return this.#limits.begin(milliseconds, () => this.discard(new StatementTimeout(isFull)));
  }

  #limitGoodbye(): void {
    const timer = setTimeout(() => this.discard(new StatementTimeout()), GOODBYE_LIMIT_MS).unref();
    this.connection.once('end', () => clearTimeout(timer));
  }
}

/** The same function; `after` sees what each call returned. (A proxy, because it keeps pg's overloads.) */
function observed<F extends (...parameters: never[]) => unknown>(
  method: F,
  { before, after }: { readonly before?: () => void; readonly after: (answer: unknown) => void },
): F {
  return new Proxy(method, {
    apply(target, self, parameters): unknown {
      before?.();
      const answer: unknown = Reflect.apply(target, self, parameters);
      after(answer);
      return answer;
    },
  });
}
