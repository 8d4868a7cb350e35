import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppConfig } from '../../src/config/app-config.js';
import { ConfigError, loadConfig } from '../../src/config/load-config.js';

export type Environment = Record<string, string | undefined>;

export const SECRET = randomBytes(32).toString('base64');

/** The least that production asks for. */
export const PRODUCTION: Environment = {
  NODE_ENV: 'production',
  AUTH_MODE: 'session',
  APP_SECRET: SECRET,
  DATABASE_URL: 'postgres://latchkey:hunter2@db:5432/latchkey',
  PUBLIC_ORIGIN: 'https://auth.example.com',
};

/** A folder of its own for each test, and what loading from it gives. */
export class ConfigHarness {
  directory = '';
  warnings: string[] = [];

  constructor() {
    beforeEach(() => {
      this.directory = mkdtempSync(join(tmpdir(), 'latchkey-config-'));
      this.warnings = [];
    });
    afterEach(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  load(environment: Environment = {}, strategyNames: readonly string[] = ['session', 'jwt']): AppConfig {
    const { directory } = this;
    return loadConfig({ environment, directory, strategyNames, warn: (line) => this.warnings.push(line) });
  }

  problemsOf(environment: Environment = {}): readonly string[] {
    try {
      this.load(environment);
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
  }

  /** Expects these problems, in this order, and no others. */
  expectProblems(environment: Environment, patterns: readonly RegExp[]): void {
    expect(this.problemsOf(environment)).toEqual(patterns.map((pattern) => expect.stringMatching(pattern)));
  }

  writeFile(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }
}
