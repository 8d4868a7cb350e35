import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { EmbeddedPostgres } from '../../dist/src/database/embedded-postgres.js';
import { pin } from './cores.mjs';
import { cpuSeconds } from './proc.mjs';

/** As a small production server has them; everything else is PostgreSQL's default, fsync included. */
const SETTINGS = { max_connections: '200', shared_buffers: '512MB', max_wal_size: '4GB' };

/** The PostgreSQL server of a run, with a database for each who needs one. */
export class Postgres {
  #embedded = null;
  #admin;
  #names = new Set();
  /** What tells our databases from others on a server that is not ours. */
  #prefix = `latchkey_bench_${process.pid}`;

  /** The one of `BENCH_DATABASE_URL` (whose user may create databases), else an embedded one. */
  static async start({ directory, core }) {
    const postgres = new Postgres();
    const given = process.env.BENCH_DATABASE_URL;
    if (given) {
      postgres.urlOf = (name) => withDatabase(given, name);
      postgres.#admin = new pg.Pool({ connectionString: given, max: 1 });
    } else {
      postgres.#embedded = await EmbeddedPostgres.start({
        directory: join(directory, 'postgres'),
        log: (line) => console.error(line),
        settings: SETTINGS,
      });
      pin(postgres.#embedded.pid, core);
      postgres.urlOf = (name) => postgres.#embedded.url(name);
      postgres.#admin = new pg.Pool({ connectionString: postgres.urlOf('postgres'), max: 1 });
    }
    postgres.#admin.on('error', () => undefined);
    const [{ server_version: version }] = await postgres.query('SHOW server_version');
    postgres.text = given
      ? `PostgreSQL ${version} at BENCH_DATABASE_URL`
      : `PostgreSQL ${version}, embedded, ${Object.entries(SETTINGS)
          .map(([name, value]) => `${name}=${value}`)
          .join(' ')}`;
    return postgres;
  }

  /** Makes an empty database and gives its URL. */
  async create(name) {
    const full = `${this.#prefix}_${name}`;
    await this.query(`DROP DATABASE IF EXISTS ${full} WITH (FORCE)`);
    await this.query(`CREATE DATABASE ${full}`);
    this.#names.add(full);
    return { name: full, url: this.urlOf(full) };
  }

  async query(sql, parameters) {
    return (await this.#admin.query(sql, parameters)).rows;
  }

  /** Transactions in a database since it was made, as far as connections that have ended count. */
  async transactions(name) {
    const [row] = await this.query(
      'SELECT (xact_commit + xact_rollback)::int AS count FROM pg_stat_database WHERE datname = $1',
      [name],
    );
    return row.count;
  }

  /** Waits until nobody is connected to a database. */
  async disconnected(name) {
    for (let tries = 0; tries < 200; tries++) {
      const [{ count }] = await this.query(
        'SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = $1',
        [name],
      );
      if (count === 0) return;
      await delay(25);
    }
  }

  /** CPU seconds of all its processes so far; null for a server that is not ours. */
  cpuSeconds() {
    return this.#embedded ? cpuSeconds(this.#embedded.pid) : null;
  }

  async stop() {
    if (!this.#embedded) {
      for (const name of this.#names) await this.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    }
    await this.#admin?.end();
    await this.#embedded?.stop();
  }
}

/** Runs statements on a database on a connection of their own. */
export async function withClient(url, work) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function withDatabase(url, name) {
  return url.replace(/^([a-z]+:\/\/[^/?]*)(\/[^?]*)?/, `$1/${name}`);
}
