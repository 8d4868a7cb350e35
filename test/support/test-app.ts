import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DynamicModule, Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import pg from 'pg';
import type { StrategyClasses } from '../../src/auth/auth.module.js';
import { STRATEGIES } from '../../src/auth/strategies/index.js';
import type { AppConfig } from '../../src/config/app-config.js';
import { loadConfig } from '../../src/config/load-config.js';
import { createApp } from '../../src/configure-app.js';
import { Database } from '../../src/database/database.js';
import { type SecurityEvent, SecurityEvents } from '../../src/events/security-events.js';
import { createLogger } from '../../src/http/logger.js';
import { type ClientOptions, TestClient } from './test-client.js';
import { type TestDatabase, createTestDatabase } from './test-database.js';

/** Every mode that the contract must hold in. */
export const MODES = ['session', 'jwt', 'session,jwt', 'jwt,session'] as const;
export type Mode = (typeof MODES)[number];

export const TEST_SECRET = randomBytes(32).toString('base64url');

export interface TestAppOptions {
  readonly mode: string;
  /** Further variables, as an operator would set them. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A database to share with other nodes. Default: one of its own, dropped at the end. */
  readonly database?: TestDatabase;
  readonly strategies?: StrategyClasses;
  /** Modules of a test's own, beside those of the application. */
  readonly modules?: readonly (Type | DynamicModule)[];
}

/** A whole application on a port of its own, on a real database, over real HTTP. */
export class TestApp {
  /** All log lines so far, as text. */
  readonly log: string[] = [];
  readonly events: SecurityEvent[] = [];

  private constructor(
    readonly app: NestFastifyApplication,
    readonly config: AppConfig,
    readonly url: string,
    readonly database: TestDatabase,
    /** For looking at the rows, as an operator with psql would. */
    readonly sql: pg.Pool,
    private readonly ownsDatabase: boolean,
    private readonly directory: string,
  ) {}

  static async start({
    mode,
    env = {},
    database,
    strategies = STRATEGIES,
    modules = [],
  }: TestAppOptions): Promise<TestApp> {
    const db = database ?? (await createTestDatabase());
    const directory = mkdtempSync(join(tmpdir(), 'lk-app-'));
    const config = loadConfig({
      environment: {
        NODE_ENV: 'test',
        AUTH_MODE: mode,
        APP_SECRET: TEST_SECRET,
        DATABASE_URL: db.url,
        DATA_DIR: directory,
        PORT: '0',
        PUBLIC_ORIGIN: 'http://localhost:3000',
        LOG_LEVEL: 'debug',
        LOG_FORMAT: 'json',
        // Hundreds of sign-ins come from one address here. Tests that are about limits turn them on.
        ...(env['NODE_ENV'] !== 'production' && { THROTTLE: 'off' }),
        ...env,
      },
      directory,
      strategyNames: Object.keys(strategies),
    });
    const lines: string[] = [];
    const logger = createLogger(config, { write: (line) => void lines.push(line) });
    const app = await createApp(config, { logger, strategies, modules });
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as AddressInfo;
    const sql = new pg.Pool({ connectionString: db.url, max: 3 });
    sql.on('error', () => undefined);
    const started = new TestApp(
      app,
      config,
      `http://127.0.0.1:${port}`,
      db,
      sql,
      database === undefined,
      directory,
    );
    started.log.push(...lines);
    lines.push = (...more: string[]) => started.log.push(...more);
    app.get(SecurityEvents).subscribe((event) => void started.events.push(event));
    return started;
  }

  /** A client of this application; `origin` makes it a page of that origin. */
  client(options?: ClientOptions): TestClient {
    return new TestClient(this.url, options);
  }

  /** A part of the application. */
  get<T>(type: abstract new (...args: never[]) => T): T {
    return this.app.get<T>(type, { strict: false });
  }

  /** Rows of a statement, run beside the application. */
  async rows<T extends object>(sql: string, parameters: unknown[] = []): Promise<T[]> {
    return (await this.sql.query<T>(sql, parameters)).rows;
  }

  /** Statements that the application runs from here on, counted as its database class sees them. */
  countQueries(): { readonly count: number; readonly statements: readonly string[]; stop(): void } {
    const database = this.get(Database);
    const original = database.query.bind(database);
    const statements: string[] = [];
    database.query = (...args: Parameters<typeof original>) => {
      statements.push(args[0]);
      return original(...args);
    };
    return {
      statements,
      get count() {
        return statements.length;
      },
      stop: () => void (database.query = original),
    };
  }

  async close(): Promise<void> {
    await this.sql.end();
    await this.app.close();
    if (this.ownsDatabase) await this.database.drop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
