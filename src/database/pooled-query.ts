import pg from 'pg';
import { CONNECTION_SETTINGS } from './connection-settings.js';

/** A column of an answer, as the server describes it. */
interface Field {
  readonly name: string;
  readonly dataTypeID: number;
}

/** A connection of pg, with what its types leave out. */
type Connection = pg.Connection & {
  /** Statements that were sent to be parsed, by name. */
  readonly submittedNamedStatements: Record<string, string>;
};

/** What pg's Query does for us: it writes the messages of the one statement that its fields name. */
interface PgQuery {
  prepare(connection: Connection): void;
}
const PgQuery = pg.Query as unknown as new (text: string) => PgQuery;

/** How the rows of one statement are read. */
class RowShape {
  private readonly columns: readonly { name: string; parse: (text: string) => unknown }[];
  private readonly blank: Readonly<Record<string, unknown>>;

  constructor(fields: readonly Field[]) {
    const { types } = CONNECTION_SETTINGS;
    this.columns = fields.map(({ name, dataTypeID }) => ({
      name,
      parse: types.getTypeParser(dataTypeID, 'text') as unknown as (text: string) => unknown,
    }));
    this.blank = Object.fromEntries(fields.map(({ name }) => [name, null]));
  }

  read(texts: readonly (string | null)[]): Record<string, unknown> {
    const row = { ...this.blank };
    for (const [i, { name, parse }] of this.columns.entries()) {
      const text = texts[i] ?? null;
      if (text !== null) row[name] = parse(text);
    }
    return row;
  }
}

const NO_COLUMNS = new RowShape([]);

/** What one connection knows of the statements that the server keeps for it. A plan whose columns change is an error, not other rows. */
export class KnownStatements {
  /** By name. */
  readonly shapes = new Map<string, RowShape>();
  private readonly views: readonly Connection[];

  constructor(connection: pg.Connection) {
    const silent = { value: (): void => undefined };
    const left: PropertyDescriptorMap[] = [
      {},
      { describe: silent },
      { sync: silent },
      { describe: silent, sync: silent },
    ];
    this.views = left.map((properties) => Object.create(connection, properties) as Connection);
  }

  /** The connection for one statement: without asking for columns that are known, without ending what goes on with another one. */
  view(isDescribed: boolean, isLast: boolean): Connection {
    const view = this.views[Number(isDescribed) + 2 * Number(!isLast)];
    if (!view) throw new RangeError('no such view');
    return view;
  }
}

/** A statement that waits to be sent, or for its answer. */
export class SentStatement {
  /** What the server says it did: `COMMIT`, `ROLLBACK`, `UPDATE`, ... Empty until it is done. */
  command = '';
  shape: RowShape | undefined;
  /** All rows, when the server has answered all that was sent together. */
  readonly answer: Promise<unknown[]>;
  readonly rows: unknown[] = [];
  resolve!: (rows: unknown[]) => void;
  reject!: (error: unknown) => void;

  /** @param name under which the server keeps its plan */
  constructor(
    readonly text: string,
    readonly values: readonly unknown[],
    readonly name: string | undefined,
  ) {
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/**
 * Statements that the server answers together: it writes its answers when all are done, which wakes this side once, and skips those behind
 * one that fails. It asks for the columns of a prepared statement once for each connection instead of with every run, and copies neither
 * settings nor the shape of rows, as pg's own Query does. The methods named `handle...` are what pg's Client calls with the server's messages.
 */
export class PooledQuery extends PgQuery {
  /** Which one is being sent, then which one is being answered. */
  private current = 0;
  private hasFailed = false;
  private unreadable: unknown;

  /** @param onAnswered is called when there is nothing to wait for any more */
  constructor(
    private readonly statements: readonly SentStatement[],
    private readonly known: KnownStatements,
    private readonly onAnswered: () => void,
  ) {
    super('');
  }

  // pg's Query sets these three of itself, and its Client reads them.
  get text(): string | undefined {
    return this.statements[this.current]?.text;
  }
  set text(_: unknown) {}

  get name(): string | undefined {
    return this.statements[this.current]?.name;
  }
  set name(_: unknown) {}

  get values(): readonly unknown[] | undefined {
    return this.statements[this.current]?.values;
  }
  set values(_: unknown) {}

  submit(connection: pg.Connection): null {
    connection.stream.cork();
    for (const statement of this.statements) {
      const isLast = statement === this.statements.at(-1);
      statement.shape = this.known.shapes.get(statement.name ?? '');
      this.prepare(this.known.view(statement.shape !== undefined, isLast));
      // A value that cannot be sent: pg has said so to handleError.
      if (this.hasFailed && !isLast) connection.sync();
      if (this.hasFailed) break;
      this.current += 1;
    }
    this.current = 0;
    connection.stream.uncork();
    return null;
  }

  handleRowDescription({ fields }: { readonly fields: readonly Field[] }): void {
    const statement = this.statements[this.current];
    if (statement) statement.shape = new RowShape(fields);
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    const statement = this.statements[this.current];
    try {
      statement?.rows.push(statement.shape?.read(fields));
    } catch (error) {
      // Thrown from here it would end the process.
      this.unreadable ??= error;
    }
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    const statement = this.statements[this.current];
    this.current += 1;
    if (!statement) return;
    statement.command = text.split(' ', 1)[0] ?? '';
    if (statement.name !== undefined) this.known.shapes.set(statement.name, statement.shape ?? NO_COLUMNS);
  }

  handleReadyForQuery(): void {
    this.onAnswered();
    for (const { resolve, reject, rows } of this.statements) {
      if (this.unreadable === undefined) resolve(rows);
      else reject(this.unreadable);
    }
  }

  /**
   * The statement in turn failed, or the connection. Those behind it were skipped. Those before it are done, as far as their transaction
   * goes; the last one is done when the server says that it is ready for the next.
   */
  handleError(error: unknown, { submittedNamedStatements }: Connection): void {
    this.hasFailed = true;
    this.onAnswered();
    for (const statement of this.statements) {
      if (statement.command !== '' && statement !== this.statements.at(-1)) {
        statement.resolve(statement.rows);
        continue;
      }
      // It may not have been parsed: the next one of that name has to be.
      if (statement.name !== undefined) delete submittedNamedStatements[statement.name];
      statement.reject(error);
    }
  }
}
