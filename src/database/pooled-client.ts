import pg from 'pg';

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

  constructor(config: pg.ClientConfig) {
    // A statement does not wait for the answer to the one before it: whoever needs that answer does.
    super({ ...config, pipeline: true });
    // Without a listener at every moment, a server that restarts ends this process.
    this.on('error', (error) => (this.lost ??= error));
    /* eslint-disable @typescript-eslint/unbound-method -- the proxies hand `this` on */
    this.query = observed(this.query, (answer) => this.#limitStatement(answer));
    this.end = observed(this.end, () => this.#limitGoodbye());
    /* eslint-enable @typescript-eslint/unbound-method */
  }

  /** Closes the socket without a goodbye: the server rolls back, nobody gets this connection again. */
  discard(reason: Error): void {
    this.lost ??= reason;
    if (this.connection.stream.destroyed) return;
    this.connection.stream.destroy(reason);
    void this.end(); // marks it at once as ending: the pool could lend it out before the socket's error event
  }

  /** Statements from here to {@link uncork} go to the server together. */
  cork(): void {
    this.connection.stream.cork();
  }

  /** The end of {@link cork}. */
  uncork(): void {
    this.connection.stream.uncork();
  }

  #limitStatement(answer: unknown): void {
    if (!isResult(answer)) return; // callbacks are for the pool's own use, with limits of its own
    const milliseconds = Math.max(0, Math.min(STATEMENT_LIMIT_MS, this.deadline - performance.now()));
    const isFull = milliseconds === STATEMENT_LIMIT_MS;
    const timer = setTimeout(() => this.discard(new StatementTimeout(isFull)), milliseconds);
    answer.then(
      (result) => {
        clearTimeout(timer);
        this.lastCommand = [result].flat().at(-1)?.command ?? ''; // several statements have a list of results
      },
      () => clearTimeout(timer),
    );
  }

  #limitGoodbye(): void {
    const timer = setTimeout(() => this.discard(new StatementTimeout()), GOODBYE_LIMIT_MS).unref();
    this.connection.once('end', () => clearTimeout(timer));
  }
}

function isResult(answer: unknown): answer is Promise<pg.QueryResult | pg.QueryResult[]> {
  return typeof answer === 'object' && answer !== null && 'then' in answer;
}

/** The same function; `observe` sees what each call returned. (A proxy, because it keeps pg's overloads.) */
function observed<F extends (...parameters: never[]) => unknown>(
  method: F,
  observe: (answer: unknown) => void,
): F {
  return new Proxy(method, {
    apply(target, self, parameters): unknown {
      const answer: unknown = Reflect.apply(target, self, parameters);
      observe(answer);
      return answer;
    },
  });
}
