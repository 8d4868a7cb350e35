import { BatchedReads } from '../database/batched-reads.js';
import type { Database } from '../database/database.js';
import type { SessionId } from '../principal/principal.js';
import { SESSION_COLUMNS, type SessionRecord, type SessionRow, sessionRecord } from './session-record.js';

type FoundRow = SessionRow & { strategy: string; wanted: string };

const JOINED = 'JOIN sessions s ON s.id = c.session_id JOIN users u ON u.id = s.user_id';

/** What every request asks that no cache answers: the session behind a credential. Requests of the same moment share a statement. */
export class SessionLookups {
  private readonly secrets: BatchedReads<SessionRecord>;
  private readonly credentials: BatchedReads<SessionRecord>;

  constructor(database: Database) {
    const reads = (sql: string): BatchedReads<SessionRecord> =>
      new BatchedReads(async (keys, since) => {
        const pairs = keys.map((key) => key.split(' '));
        const parameters = [pairs.map(([strategy]) => strategy), pairs.map(([, wanted]) => wanted)];
        const rows = await database.query<FoundRow>(sql, parameters, { since, prepare: true });
        return new Map(rows.map((row) => [`${row.strategy} ${row.wanted}`, sessionRecord(row)]));
      });
    this.secrets = reads(
      `SELECT c.strategy, k.wanted, ${SESSION_COLUMNS} FROM unnest($1::text[], $2::text[]) AS k (strategy, wanted)
         JOIN credentials c ON c.strategy = k.strategy AND c.secret_hash = decode(k.wanted, 'hex') ${JOINED}`,
    );
    this.credentials = reads(
      `SELECT c.strategy, k.wanted, ${SESSION_COLUMNS} FROM unnest($1::text[], $2::uuid[]) AS k (strategy, wanted)
         JOIN credentials c ON c.strategy = k.strategy AND c.session_id = k.wanted ${JOINED}`,
    );
  }

  /** By the SHA-256 of a credential's value. Whatever the session's state. */
  async bySecret(strategy: string, secretHash: Buffer): Promise<SessionRecord | null> {
    return this.secrets.get(`${strategy} ${secretHash.toString('hex')}`);
  }

  /** By the session's id, if it holds a credential of that strategy. Whatever the session's state. */
  async byCredential(strategy: string, sessionId: SessionId): Promise<SessionRecord | null> {
    return this.credentials.get(`${strategy} ${sessionId}`);
  }
}
