import type { EntityManager } from 'typeorm';

/** What SQL can be given to: the database itself, a transaction, or the connection that holds a lock. */
export interface Queryable {
  /** Runs one statement. Its rows, of a SELECT and of a RETURNING alike; none is an empty list. */
  query<T>(sql: string, parameters?: readonly unknown[]): Promise<T[]>;
  /** Runs `work` when what was written before is committed: at once outside of a transaction, never after a rollback. */
  afterCommit(work: () => void): void;
}

/** A transaction in progress. Nothing of it may be used after the work that it was given to has ended. */
export interface Transaction extends Queryable {
  /** The same transaction for TypeORM's repositories and query builders. */
  readonly manager: EntityManager;
}
