import { v7 as uuidv7 } from 'uuid';
import type { Queryable } from '../database/database.js';
import type { AuditEntry } from './audit-entry.js';

/** An entry that is counted: another one of the same bucket adds to its count instead of making a row. */
export interface CountedEntry extends AuditEntry {
  readonly bucket: string;
  readonly count: number;
}

/** Appends entries, in one statement. A bucket may come once in it. @param failure words the error of that statement */
export async function appendAudit(
  on: Queryable,
  entries: readonly (AuditEntry | CountedEntry)[],
  failure?: (error: unknown) => unknown,
): Promise<void> {
  const sql = `INSERT INTO audit_events
       (id, type, actor, user_id, session_id, ip, user_agent, request_id, count, bucket, details)
     SELECT id, type, actor, "userId", "sessionId", ip, "userAgent", "requestId", coalesce(count, 1), bucket, details
     FROM jsonb_to_recordset($1::jsonb) AS entry (id uuid, type text, actor text, "userId" uuid, "sessionId" uuid, ip text,
       "userAgent" text, "requestId" text, count integer, bucket text, details jsonb)
     ON CONFLICT (bucket) DO UPDATE SET count = audit_events.count + excluded.count`;
  const parameters = [JSON.stringify(entries.map((entry) => ({ id: uuidv7(), ...entry })))];
  await on.write({ sql, parameters, prepare: true }, failure);
}
