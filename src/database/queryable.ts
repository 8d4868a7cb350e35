import type { EntityManager } from 'typeorm';

/** How a statement is run. */
export interface StatementOptions {
  /**
   * Whether the server should keep its plan, for a statement of the hot path (a third of its cost). Where a pooler stands in
   * between, it does not: the next statement may come to another connection.
   */
  readonly prepare?: boolean;
}

/** A statement that is run later. */
export interface Statement extends StatementOptions {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** What SQL can be given to: the database itself, a transaction, or the connection that holds a lock. */
export interface Queryable {
  /** Runs one statement. Its rows, of a SELECT and of a RETURNING alike; none is an empty list. */
  query<T>(sql: string, parameters?: readonly unknown[], options?: StatementOptions): Promise<T[]>;
  /**
   * Runs a statement of whose outcome only the failure matters. In a transaction it resolves at once: the statement goes to the server
   * with the next one, or with COMMIT, and the transaction fails when it does. @param failure words its error
   */
  write(statement: Statement, failure?: (error: unknown) => unknown): Promise<void>;
  /** Runs `work` when what was written before is committed: at once outside of a transaction, never after a rollback. */
  afterCommit(work: () => void): void;
}

/** A transaction in progress. Nothing of it may be used after the work that it was given to has ended. */
export interface Transaction extends Queryable {
  /** The same transaction for TypeORM's repositories and query builders. */
  readonly manager: EntityManager;
}

/** {@link Queryable.write} outside of a transaction: run and answered. */
export function writingBy(query: Queryable['query']): Queryable['write'] {
  return async ({ sql, parameters, ...options }, failure) => {
    try {
      await query(sql, parameters, options);
    } catch (error) {
      throw failure ? failure(error) : error;
    }
  };
}
